"""Weights to start from: fetched, compared with the model."""
