"""Train PaddleOCR with its own trainer, tracked in MLflow and resumable from any checkpoint."""
