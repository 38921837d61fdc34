"""Segments become rows as they are stored."""
