"""Tests of `ocr_train/cluster/sagemaker`. AWS itself is asked by none of them."""
