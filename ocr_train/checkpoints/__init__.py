"""Stored checkpoint sets: written, found, read back, screened."""
