"""Folders and S3: incremental, verified transfers."""
