"""Edit distance (Levenshtein 1966): the fewest insertions, deletions and substitutions between two sequences."""

from collections.abc import Hashable, Sequence


def edits(reference: Sequence[Hashable], found: Sequence[Hashable]) -> int:
    """Of a sequence from its reference; memory is one row of the table."""
    row = list(range(len(found) + 1))
    for number, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], number
        for place, have in enumerate(found, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (wanted != have))
    return row[-1]
