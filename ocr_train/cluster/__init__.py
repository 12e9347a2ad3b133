"""Training on several processes and machines, and on machines of others: SageMaker and Kubernetes."""
