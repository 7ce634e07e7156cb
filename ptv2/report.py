"""Report: `python -m ptv2.report` runs `ptv2/commands/report.py`."""

from ptv2.commands import door

door(__name__)
