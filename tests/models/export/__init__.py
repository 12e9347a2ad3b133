"""Tests of `ocr_train/models/export`."""
