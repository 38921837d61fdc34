"""Fuzz programs: `python fuzz/fuzz_NAME.py` (driver.py says how)."""
