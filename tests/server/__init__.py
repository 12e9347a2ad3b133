"""Tests of `ocr_train/server`."""
