"""Data sets of ids in the layouts that language-model trainers read, one file a layout."""
