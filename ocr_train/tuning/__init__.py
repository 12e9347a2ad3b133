"""Batch size, loader workers and learning rate, found by short trainings."""
