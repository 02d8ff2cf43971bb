"""The `signaltok` command: what reads a run or an exported folder. One module a sub-command, imported when called."""
