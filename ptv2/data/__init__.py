"""From rows to batches: features and their cache, the draw of a mixture, the DataModule."""
