"""Tests of what is checked before a training."""
