"""Steps of a parser over ids: what stands at a position, and where a run ends."""

import numpy as np

from signaltok.streams.errors import TokenDataError
from signaltok.streams.template import cut


def at(ids: np.ndarray, position: int) -> int:
    """The id at a position. TokenDataError behind the end."""
    if position >= len(ids):
        raise cut(ids)
    return int(ids[position])


def expect(ids: np.ndarray, position: int, wanted: int) -> int:
    """The position behind the wanted id. TokenDataError where another one stands there."""
    if at(ids, position) != wanted:
        raise TokenDataError(f"position {position}", f"id {ids[position]} where {wanted} has to stand")
    return position + 1


def run_end(ids: np.ndarray, start: int, first: int, last: int) -> int:
    """The first position from start whose id is not in first to last - 1; TokenDataError where there is none."""
    width = 256
    while start < len(ids):
        piece = ids[start : start + width]
        outside = np.flatnonzero((piece < first) | (piece >= last))
        if len(outside):
            return start + int(outside[0])
        start, width = start + len(piece), width * 2
    raise cut(ids)
