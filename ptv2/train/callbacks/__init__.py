"""What happens beside the training loop: checkpoints, signals, guards, progress, samples, curves per task."""
