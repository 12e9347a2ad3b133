"""Runs that are over: listed, synced, pruned."""
