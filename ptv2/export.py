"""Export an artifact: `python -m ptv2.export` runs `ptv2/commands/export.py`."""

from ptv2.commands import door

door(__name__)
