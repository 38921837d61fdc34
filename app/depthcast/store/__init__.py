"""The store: segments of the journal become history in PostgreSQL or TimescaleDB."""
