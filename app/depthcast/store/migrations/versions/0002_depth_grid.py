"""The grid of depth, kept in the database.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from depthcast.store.migrations.script import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run(op, "0002_depth_grid")


def downgrade() -> None:
    run(op, "0002_down")
