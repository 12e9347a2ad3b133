"""Predictions scored image by image."""
