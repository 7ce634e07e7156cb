"""Train: `python -m ptv2.fit` runs `ptv2/commands/fit.py`."""

from ptv2.commands import door
from ptv2.runtime.stop import note_early

if __name__ == "__main__":
    note_early()  # before the imports that take seconds
door(__name__)
