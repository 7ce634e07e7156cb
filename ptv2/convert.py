"""Convert to an artifact: `python -m ptv2.convert` runs `ptv2/commands/convert.py`."""

from ptv2.commands import door

door(__name__)
