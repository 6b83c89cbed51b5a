"""Hyperparameter search for image models in PyTorch, on Optuna."""
