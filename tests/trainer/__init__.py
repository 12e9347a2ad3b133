"""Tests of `ocr_train/trainer`."""
