"""Fetch and tokenise what a run needs: `python -m ptv2.prepare` runs `ptv2/commands/prepare.py`."""

from ptv2.commands import door

door(__name__)
