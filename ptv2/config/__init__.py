"""What a run and a task may say: the schema, its check, and how a file and overrides become a config."""
