"""What a model does on validation images, as values: scores, tables, pictures and plots. Knows no MLflow."""
