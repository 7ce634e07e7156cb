"""A study: cells that are run folders, the processes that run them, the table and figure of the finished ones."""
