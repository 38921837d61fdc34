"""The journal: the feed's log, in self-contained, checksummed, indexed segments."""
