"""The process and its machine: signals, ranks, scheduler, lock, random states, files, wheels."""
