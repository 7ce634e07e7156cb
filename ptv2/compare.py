"""Compare runs: `python -m ptv2.compare` runs `ptv2/commands/compare.py`."""

from ptv2.commands import door

door(__name__)
