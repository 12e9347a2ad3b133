"""Amazon SageMaker training jobs: submitted from one side, run inside the container on the other."""
