"""The stages of one training run, in order."""
