"""Tests of `ocr_train/cluster`."""
