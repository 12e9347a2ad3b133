"""Samples divided into sets to train on, to validate on and to test on."""
