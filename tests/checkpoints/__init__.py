"""Tests of `ocr_train/checkpoints`."""
