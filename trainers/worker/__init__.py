"""What a worker does with its trials: attempts, isolation, failures, calls of MLflow."""
