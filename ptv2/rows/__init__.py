"""Where the rows of a task come from: local files, the hub, the demo; and what their labels are called."""
