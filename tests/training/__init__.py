"""Tests of `ocr_train/training`."""
