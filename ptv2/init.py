"""Propose a task for rows: `python -m ptv2.init` runs `ptv2/commands/init.py`."""

from ptv2.commands import door

door(__name__)
