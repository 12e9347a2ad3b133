"""Tests of `ocr_train/tracking`."""
