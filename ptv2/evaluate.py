"""Score an artifact: `python -m ptv2.evaluate` runs `ptv2/commands/evaluate.py`."""

from ptv2.commands import door

door(__name__)
