"""Documents of every kind of stream, drawn by hypothesis."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from signaltok.streams.documents import Mix, Signal, Text, Word
from signaltok.streams.pairs import Pairs
from signaltok.streams.patterns import KINDS, Pattern
from signaltok.streams.run_length import RunLength
from signaltok.streams.stream import Stream, stream_of, transformed
from signaltok.streams.vocabulary import Vocabulary

SMALL = {"audio": (40,), "image": (9, 9), "video": (7, 4, 5)}
STRIDES = {"audio": [(1,), (2,), (3,), (4,)], "image": [(1, 2), (2, 2), (4, 4)], "video": [(1, 2, 2), (2, 2, 2)]}


@st.composite
def patterns(draw, levels: int) -> Pattern:
    kind = draw(st.sampled_from(KINDS))
    if kind == "delay":
        return Pattern(kind, tuple(draw(st.lists(st.integers(0, 4), min_size=levels, max_size=levels))))
    if kind == "partial":
        groups = draw(st.integers(1, levels))
        rest = draw(st.lists(st.integers(0, groups - 1), min_size=levels - groups, max_size=levels - groups))
        return Pattern(kind, (*range(groups), *rest))
    return Pattern(kind)


@st.composite
def streams(draw, name: str, modality: str) -> Stream:
    levels = draw(st.integers(1, 3))
    sizes = draw(st.lists(st.sampled_from([1, 2, 5, 300, 70_000, 2**18, 2**40]), min_size=levels, max_size=levels))
    strides = draw(st.lists(st.sampled_from(STRIDES[modality]), min_size=levels, max_size=levels))
    grids = draw(st.sampled_from(["signal", "signal", "tokens", "explicit"]))
    header = {"fingerprint": f"print of {name}", "modality": modality, "codebook_sizes": sizes, "strides": strides}
    stream = replace(stream_of(header, name=name, pattern=draw(patterns(levels))), largest=SMALL[modality])
    if grids == "explicit":
        extents = (3,) * (levels * stream.axes)
        stream = replace(stream, grids=grids, largest=(*draw(st.sampled_from([(), SMALL[modality]])), *extents))
    elif grids == "tokens":
        whole = draw(st.integers(0, 300))
        stream = replace(stream, grids=grids, strides=((1,),) * levels, largest=(*SMALL[modality], whole), frames=False)
    elif draw(st.booleans()):
        shares = draw(st.lists(st.sampled_from([(1, 1), (2, 3), (13, 16)]), min_size=levels, max_size=levels))
        stream = replace(stream, shares=tuple(shares))
    rate = None if modality == "image" else Fraction(draw(st.sampled_from([1, 7, 24_000])), draw(st.integers(1, 3)))
    frames = draw(st.booleans())
    return replace(
        stream,
        rate=rate,
        shared=draw(st.booleans()),
        row_ends=stream.axes > 1 and draw(st.booleans()),
        frames=frames,
        time_stamps=frames and rate is not None and draw(st.booleans()),
    )


@st.composite
def lines(draw) -> Stream:
    """A stream of one level whose line is transformed."""
    size = draw(st.sampled_from([1, 3, 40]))
    header = {"fingerprint": "units", "modality": "audio", "codebook_sizes": [size], "strides": [[2]]}
    stream = replace(stream_of(header, name="units"), largest=(60,))
    if draw(st.booleans()):
        return transformed(stream, RunLength(longest=draw(st.integers(1, 5))))
    merges = draw(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=4))
    found = tuple((a % (size + n), b % (size + n)) for n, (a, b) in enumerate(merges))
    return transformed(stream, Pairs(symbols=size, merges=found))


@st.composite
def vocabularies(draw) -> Vocabulary:
    found = [draw(streams(modality, modality)) for modality in ("image", "audio", "video") if draw(st.booleans())]
    if draw(st.booleans()):
        found.append(draw(lines()))
    external = draw(st.sampled_from([None, 1, 1000]))
    return Vocabulary(tuple(found), external_text=external, chunk_ticks=draw(st.sampled_from([1, 30, 100])))


def codes(draw, shape: tuple[int, ...], size: int) -> np.ndarray:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found = generator.integers(0, size, shape)
    if math.prod(shape):
        found.flat[0] = size - 1
        found = np.sort(found, axis=None).reshape(shape) if draw(st.booleans()) else found  # runs
    return found


@st.composite
def signals(draw, stream: Stream) -> Signal:
    numbers = tuple(draw(st.integers(0, most)) for most in stream.largest)
    grids = stream.grid_sizes(numbers)
    levels = tuple(codes(draw, grid, size) for grid, size in zip(grids, stream.codebook_sizes, strict=True))
    return Signal(stream.name, levels, numbers[: stream.signal_axes])


@st.composite
def texts(draw, vocabulary: Vocabulary) -> Text:
    if vocabulary.external_text is None:
        return Text.of(draw(st.text(max_size=8)))
    ids = draw(st.lists(st.integers(0, vocabulary.external_text - 1), max_size=8))
    return Text(np.array(ids, np.int64))


@st.composite
def mixes(draw, vocabulary: Vocabulary) -> Mix:
    from signaltok.streams.interleave import in_time

    chosen = [stream for stream in vocabulary.streams if in_time(stream) and draw(st.booleans())]
    ticks = sorted(draw(st.lists(st.integers(0, 500), max_size=4)))
    return Mix(
        tuple(draw(signals(stream)) for stream in chosen),
        tuple(Word(tick, draw(texts(vocabulary))) for tick in ticks),
    )


@st.composite
def documents(draw, vocabulary: Vocabulary):
    kinds = [texts(vocabulary), mixes(vocabulary), *(signals(stream) for stream in vocabulary.streams)]
    return draw(st.lists(st.one_of(kinds), max_size=3))
