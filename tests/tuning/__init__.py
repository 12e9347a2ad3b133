"""Tests of what is found by short trainings."""
