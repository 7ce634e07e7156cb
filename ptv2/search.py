"""Search hyperparameters: `python -m ptv2.search` runs `ptv2/commands/search.py`."""

from ptv2.commands import door
from ptv2.runtime.stop import note_early

if __name__ == "__main__":
    note_early()  # before the imports that take seconds
door(__name__)
