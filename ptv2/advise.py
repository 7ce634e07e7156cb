"""Advise on a config: `python -m ptv2.advise` runs `ptv2/commands/advise.py`."""

from ptv2.commands import door

door(__name__)
