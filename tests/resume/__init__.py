"""Tests of `ocr_train/resume`."""
