"""Tests of `ocr_train/runs`."""
