"""Breaks what a run relies on, for real, and judges from the outside what is left: `make faults`."""
