"""Tests of `ocr_train/analysis`."""
