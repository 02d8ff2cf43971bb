"""Signals and words of one time, interleaved: piece by piece of a fixed length, words where they begin.

    mix   := begin_mix (begin_k sizes)* event* end_mix
    event := time tick piece+            tick is the beginning of a chunk, in which at least one signal has cells
           | time tick begin_text ids end_text
    piece := begin_k (codes and markers of the cells that begin in the chunk) end_k

Signals begin at time 0, and stand in each chunk in the order of the headers. Words of a chunk follow its pieces, in the
order of their ticks. Everything but the words follows from the headers, so every mix is written in exactly one way.
"""

from dataclasses import dataclass

import numpy as np

from signaltok.streams.documents import Mix
from signaltok.streams.geometry import geometry
from signaltok.streams.stream import Numbers, Stream
from signaltok.streams.template import Form, framed, header, line_of, put_times
from signaltok.streams.vocabulary import TICK_DIGITS, Vocabulary


@dataclass(frozen=True)
class Chunk:
    """tick: where it begins. pieces: (number of the signal, its form)."""

    tick: int
    pieces: tuple[tuple[int, Form], ...]


def in_time(stream: Stream) -> bool:
    """Whether a stream can be interleaved: its cells lie in time, and its line is not transformed as a whole."""
    return stream.rate is not None and stream.grids != "tokens" and stream.transform is None


def check_mix(vocabulary: Vocabulary, mix: Mix) -> None:
    """ValueError for a mix that no ids stand for."""
    names = [signal.stream for signal in mix.signals]
    order = [stream.name for stream in vocabulary.streams if stream.name in names]
    if names != order:
        raise ValueError(f"a mix has each stream once, in the vocabulary's order: {order}, got {names}")
    for stream in vocabulary.streams:
        if stream.name in names and not in_time(stream):
            raise ValueError(f"the stream {stream.name!r} has no rate along time, or is transformed: not to interleave")
    ticks = [word.tick for word in mix.words]
    if ticks != sorted(ticks) or (ticks and (ticks[0] < 0 or ticks[-1] >= 256**TICK_DIGITS)):
        raise ValueError(f"words stand in the order of their ticks, 0 to {256**TICK_DIGITS - 1}, got {ticks}")


def headers(vocabulary: Vocabulary, parts: tuple[tuple[Stream, Numbers], ...]) -> np.ndarray:
    """begin_mix and the sizes of every signal."""
    begin = np.array([vocabulary.control["begin_mix"]], np.int64)
    return np.concatenate([begin, *(header(vocabulary, stream, numbers) for stream, numbers in parts)])


def chunks(vocabulary: Vocabulary, parts: tuple[tuple[Stream, Numbers], ...]) -> tuple[Chunk, ...]:
    """Of signals of these sizes: those in which there are cells, by time."""
    found: dict[int, list[tuple[int, Form]]] = {}
    for number, (stream, numbers) in enumerate(parts):
        assert stream.rate is not None, "check_mix has asked in_time"
        places = geometry(stream, stream.grid_sizes(numbers))
        line = line_of(stream, places)
        chunk = places.ticks(stream.rate, vocabulary.tick * vocabulary.chunk_ticks)[places.moment[line]]
        order = np.argsort(chunk, kind="stable")
        begin = np.array([vocabulary.control[f"begin_{stream.name}"]], np.int64)
        which, starts = np.unique(chunk[order], return_index=True)
        for own, cells in zip(which.tolist(), np.split(line[order], starts[1:]), strict=len(which) > 0):
            found.setdefault(own, []).append((number, framed(vocabulary, stream, places, cells, begin)))
    return tuple(Chunk(own * vocabulary.chunk_ticks, tuple(found[own])) for own in sorted(found))


def time_ids(vocabulary: Vocabulary, tick: int) -> np.ndarray:
    """int64 [1 + TICK_DIGITS]: the time marker."""
    ids = np.zeros(1 + TICK_DIGITS, np.int64)
    put_times(vocabulary, ids, np.array([0]), np.array([tick]))
    return ids
