"""Serve artifacts over HTTP: `python -m ptv2.serve` runs `ptv2/commands/serve.py`."""

from ptv2.commands import door

door(__name__)
