"""Where the metrics of a run go: files in its folder, and trackers outside of it."""
