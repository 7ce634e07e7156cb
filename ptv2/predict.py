"""Predict: `python -m ptv2.predict` runs `ptv2/commands/predict.py`."""

from ptv2.commands import door

door(__name__)
