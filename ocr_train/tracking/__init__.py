"""One MLflow run: journal, outbox, artifacts, heartbeat."""
