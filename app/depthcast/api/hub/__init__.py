"""The fan-out of an API process: a change is encoded once per stream class, whoever reads it."""
