"""A checkpoint becomes an inference model."""
