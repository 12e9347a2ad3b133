"""Tests of `ocr_train/cli`."""
