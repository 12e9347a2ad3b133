"""Tests of `ocr_train/data/checks`."""
