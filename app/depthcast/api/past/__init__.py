"""The past from the journal's segments: books at a time."""
