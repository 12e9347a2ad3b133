"""PaddleOCR as a child process: its files, configuration, log and interpreter."""
