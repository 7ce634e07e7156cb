"""A run: folder, checkpoints, Trainer, strategies, callbacks, retrieval."""
