"""Tests of `ocr_train/redaction`."""
