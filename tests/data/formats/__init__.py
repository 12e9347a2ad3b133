"""Tests of `ocr_train/data/formats`."""
