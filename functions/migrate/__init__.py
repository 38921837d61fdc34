"""The database's schema is brought up to date at a deployment."""
