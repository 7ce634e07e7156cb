"""How alike prompts are: `python -m ptv2.similarity` runs `ptv2/commands/similarity.py`."""

from ptv2.commands import door

door(__name__)
