"""Sweeps: many runs of one command, each in a process tree of its own."""
