"""What a grammar knows of the sizes that it has met: forms of blocks, kept for those that come again."""

import math
from collections import OrderedDict

import numpy as np

from signaltok.streams.documents import Signal
from signaltok.streams.geometry import geometry
from signaltok.streams.stream import Numbers, Stream
from signaltok.streams.template import Form, form, line_of
from signaltok.streams.vocabulary import Vocabulary

KEPT_FORMS, KEPT_IDS = 256, 2**20  # of recent sizes; a form of more than an eighth of it is made anew each time


class Forms:
    """The forms of one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._kept: OrderedDict[tuple[str, Numbers], Form] = OrderedDict()
        self._held = 0

    def form(self, stream: Stream, numbers: Numbers) -> Form:
        """Of a block of these sizes."""
        key = (stream.name, numbers)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = form(self.vocabulary, stream, numbers)
        if len(made.ids) <= KEPT_IDS // 8:
            self._kept[key] = made
            self._held += len(made.ids)
            while len(self._kept) > KEPT_FORMS or self._held > KEPT_IDS:
                self._held -= len(self._kept.popitem(last=False)[1].ids)
        return made

    def numbers(self, signal: Signal) -> Numbers:
        """The sizes in a signal's header. ValueError where its levels do not have the shapes that follow from them."""
        shapes = tuple(level.shape for level in signal.levels)
        return self.vocabulary.stream(signal.stream).numbers(shapes, signal.signal_size)

    def symbol_block(self, stream: Stream) -> tuple[int, int]:
        """First id and size of the block of symbols of a transformed stream."""
        block = self.vocabulary.blocks[f"{stream.name}/codes"]
        return block.offset, block.size

    def line_and_rows(self, stream: Stream, numbers: Numbers) -> tuple[np.ndarray, np.ndarray]:
        """Of a transformed stream, int64 [n]: the cells in the order of its line, and the row of each cell."""
        places = geometry(stream, stream.grid_sizes(numbers))
        return line_of(stream, places), places.row


def cells_of(stream: Stream, numbers: Numbers) -> int:
    """How many cells a signal of these sizes has, by arithmetic alone: nothing of that size is made."""
    grids = stream.grid_sizes(numbers)
    return sum(math.prod(grids[row.level]) for row in stream.rows)
