"""Training on Kubernetes: an Indexed Job, written as YAML."""
