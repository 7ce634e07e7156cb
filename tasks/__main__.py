"""`python -m ptv2.tasks list|show|check` runs `ptv2/commands/tasks.py`."""

from ptv2.commands import run

run("tasks")
