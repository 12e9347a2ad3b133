"""A trained model: found, read with, evaluated, logged, registered."""
