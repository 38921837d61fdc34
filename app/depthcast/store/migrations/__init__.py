"""The database's schema, as steps up and down: alembic orders them, their SQL is in ``sql``."""
