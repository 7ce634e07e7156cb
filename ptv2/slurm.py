"""Submit to SLURM: `python -m ptv2.slurm` runs `ptv2/commands/slurm.py`."""

from ptv2.commands import door

door(__name__)
