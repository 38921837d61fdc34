"""The database and the store are kept in order, on a schedule."""
