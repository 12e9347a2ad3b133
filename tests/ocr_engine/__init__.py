"""Tests of `ocr_train/ocr_engine`."""
