"""Scores of a whole split: one record a metric in `table.py`, the functions beside it."""
