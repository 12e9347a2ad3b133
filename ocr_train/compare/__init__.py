"""Runs side by side: which (`select`), what they left in MLflow (`read`), what it comes to, and a page of it."""
