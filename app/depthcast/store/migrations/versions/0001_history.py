"""History: what segments are compacted into, and what the API's tasks share.

Revision ID: 0001
Revises:
"""

from alembic import op

from depthcast.store.migrations.script import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    run(op, "0001_roles", "0001_tables", "0001_service")
    run(op, "0001_{kind}")
    run(op, "0001_rollups", "0001_views", "0001_grants")


def downgrade() -> None:
    run(op, "0001_down")
