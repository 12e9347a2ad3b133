"""Tests of `ocr_train/config`."""
