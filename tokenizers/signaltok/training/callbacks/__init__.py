"""What accompanies a run: averaged weights, checkpoints, the stopwatch."""
