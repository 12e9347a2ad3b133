"""Folders and S3 prefixes made alike: `fetch` from S3, `push` to it. Incremental, verified, safe to interrupt.

A file is skipped only where the object's size and ETag and the file's size and mtime are all as the manifest (`state`)
recorded them. Everything else is compared by content or transferred again.
"""
