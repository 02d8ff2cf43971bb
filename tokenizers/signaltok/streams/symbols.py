"""Between the codes of a signal's levels and the symbols of its cells: one array, levels split into digits."""

import numpy as np

from signaltok.streams.documents import Signal
from signaltok.streams.stream import Numbers, Stream


def symbols_of(stream: Stream, signal: Signal) -> np.ndarray:
    """int64 [n], row by row. ValueError for codes outside of their codebook, naming the level."""
    found = []
    for row in stream.rows:
        codes, size = signal.levels[row.level], stream.codebook_sizes[row.level]
        if codes.dtype.kind not in "iu":
            raise ValueError(f"codes are integers, level {row.level} of {stream.name!r} is {codes.dtype}")
        if codes.size and (int(codes.min()) < 0 or int(codes.max()) >= size):
            raise ValueError(
                f"level {row.level} of {stream.name!r} has codes from {codes.min()} to {codes.max()}, "
                f"its codebook has 0 to {size - 1}"
            )
        own = codes.reshape(-1).astype(np.int64)
        if row.weight > 1:
            own = own // row.weight
        found.append(own % row.size if size > row.size else own)
    return np.concatenate(found)


def signal_of(stream: Stream, numbers: Numbers, symbols: np.ndarray) -> Signal:
    """The inverse. ValueError where digits make a code that its codebook does not have."""
    grids = stream.grid_sizes(numbers)
    levels = [np.zeros(grid, np.int64) for grid in grids]
    start = 0
    for row in stream.rows:
        grid = grids[row.level]
        count = levels[row.level].size
        own = symbols[start : start + count].reshape(grid)
        levels[row.level] = (
            own
            if row.weight == 1 and row.size == stream.codebook_sizes[row.level]
            else (levels[row.level] + own * row.weight)
        )
        start += count
    for level, (codes, size) in enumerate(zip(levels, stream.codebook_sizes, strict=True)):
        if codes.size and int(codes.max()) >= size:
            raise ValueError(f"digits of level {level} make the code {codes.max()}, there are 0 to {size - 1}")
    return Signal(stream=stream.name, levels=tuple(levels), signal_size=tuple(numbers[: stream.signal_axes]))
