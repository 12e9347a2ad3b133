"""Tests of `ocr_train/data/demo`."""
