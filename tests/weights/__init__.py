"""Tests of `ocr_train/weights`."""
