"""Replays: the past as a stream, at the pace that its reader sets."""
