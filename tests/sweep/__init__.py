"""Sweeps: many trainings with other settings each."""
