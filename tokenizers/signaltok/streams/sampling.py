"""Which ids may come next: constrained sampling, so that every sample parses.

The rules are in walk.py; the ids that parse are exactly those that a cursor lets through.
"""

from collections.abc import Mapping

from signaltok.streams.errors import TokenDataError
from signaltok.streams.forms import Forms
from signaltok.streams.stream import Numbers
from signaltok.streams.walk import Ranges, Walker


class Cursor:
    """A place in a document. allowed: the ids that may come next, as rising (first, last + 1)."""

    def __init__(self, forms: Forms, sizes: Mapping[str, Numbers] | None = None) -> None:
        """sizes: of a stream by name, where its blocks are to have these sizes and no others."""
        self.position = 0
        self._walk = Walker(forms, sizes or {}).documents()
        self.allowed = next(self._walk)

    def advance(self, number: int) -> None:
        """Take an id. TokenDataError where it may not stand here; the cursor then stays."""
        if not any(first <= number < last for first, last in self.allowed):
            raise TokenDataError(f"position {self.position}", f"id {number} cannot stand here")
        self.position += 1
        self.allowed = merged(self._walk.send(number))


def merged(ranges: Ranges) -> Ranges:
    """The same ids in rising ranges, none of them touching another."""
    found: Ranges = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
