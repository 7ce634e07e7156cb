"""Search for hyperparameters: many runs of one config, scored on validation rows."""
