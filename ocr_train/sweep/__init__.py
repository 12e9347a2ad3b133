"""Many trainings of one model with other settings each: which one is best, found with Optuna."""
