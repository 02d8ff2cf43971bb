"""Patterns in closed form: the papers' step counts, and the order of levels of different rates."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from signaltok.streams.documents import Mix, Signal, Text, Word
from signaltok.streams.geometry import geometry
from signaltok.streams.grammar import Grammar
from signaltok.streams.pairs import learn_pairs
from signaltok.streams.patterns import Pattern
from signaltok.streams.run_length import RunLength, deduplicate
from signaltok.streams.stream import stream_of
from signaltok.streams.vocabulary import Vocabulary

CODEC = {"fingerprint": "codec", "modality": "audio", "codebook_sizes": [16] * 8, "strides": [[320]] * 8,
         "sample_rate": 24_000}  # fmt: skip
SNAC = {"fingerprint": "snac", "modality": "audio", "codebook_sizes": [100] * 3, "strides": [[4], [2], [1]]}
PICTURE = {"fingerprint": "p", "modality": "image", "codebook_sizes": [10, 10], "strides": [[4, 4], [2, 2]]}


@pytest.mark.parametrize(
    ("pattern", "rows", "steps", "empty"),
    [
        (Pattern("parallel"), 8, 125, 0),
        (Pattern("delay", tuple(range(8))), 8, 132, 56),
        (Pattern("delay", (0, *[1] * 7)), 8, 126, 8),
        (Pattern("flatten"), 1, 1000, 0),
        (Pattern("coarse_first"), 1, 1000, 0),
        (Pattern("partial", (0, *[1] * 7)), 8, 250, 1000),
    ],
)
def test_steps_and_empty_cells_of_eight_levels_of_125_frames(pattern, rows, steps, empty):
    stream = stream_of(CODEC, pattern=pattern)
    places = geometry(stream, ((125,),) * 8)
    layout = pattern.layout(places.places(), range(8))
    assert (layout.rows, layout.steps) == (rows, steps)
    assert (~layout.mask()).sum() == empty


def test_delay_as_musicgen_draws_it():
    stream = stream_of({**CODEC, "codebook_sizes": [16] * 3, "strides": [[320]] * 3})
    places = geometry(stream, ((3,),) * 3)
    layout = Pattern("delay", (0, 1, 2)).layout(places.places(), range(3))
    codes = np.array([1, 2, 3, 11, 12, 13, 21, 22, 23])
    expected = [[1, 2, 3, 0, 0], [0, 11, 12, 13, 0], [0, 0, 21, 22, 23]]
    assert layout.apply(codes, empty=0).tolist() == expected
    assert codes[layout.line()].tolist() == [1, 2, 11, 3, 12, 21, 13, 22, 23]


def test_levels_of_different_rates_stand_in_the_order_of_time():
    stream = stream_of(SNAC)
    places = geometry(stream, stream.grid_sizes((8,)))
    names = [f"{level}{'abcdefgh'[cell]}" for level, count in enumerate((2, 4, 8)) for cell in range(count)]
    line = stream.pattern.layout(places.places(), range(3)).line()
    assert " ".join(names[cell] for cell in line) == "0a 1a 2a 2b 1b 2c 2d 0b 1c 2e 2f 1d 2g 2h"


def test_grids_of_different_strides_stand_where_they_begin_and_lines_end():
    stream = replace(stream_of(PICTURE), row_ends=True)
    vocabulary = Vocabulary((stream,))
    signal = Signal("image", (np.array([[1, 2]]), np.array([[3, 4, 5, 6], [7, 8, 9, 0]])), (3, 7))
    ids = Grammar(vocabulary).render([signal])
    control, number = vocabulary.control, vocabulary.blocks["number"].offset
    a, b = vocabulary.blocks["image/0"].offset, vocabulary.blocks["image/1"].offset
    end = control["row_end"]
    assert ids.tolist() == [
        control["bos"], control["begin_image"], number, number + 3, number, number + 7,
        a + 1, b + 3, b + 4, a + 2, b + 5, b + 6, end, b + 7, b + 8, b + 9, b, end,
        control["end_image"], control["eos"],
    ]  # fmt: skip


def test_a_mix_is_cut_by_exact_fractions_of_a_second():
    """12.5 codes a second: 13 begin in the first second (0 to 0.96 s), 12 in the next."""
    speech = stream_of({**CODEC, "codebook_sizes": [16], "strides": [[1920]]})
    vocabulary = Vocabulary((speech,))
    codes = np.arange(25) % 16
    words = (Word(5, Text.of("a")), Word(99, Text.of("b")), Word(100, Text.of("c")), Word(900, Text.of("d")))
    mix = Mix((Signal("audio", (codes,), (25 * 1920,)),), words)
    ids = Grammar(vocabulary).render([mix])
    control, kinds = vocabulary.control, vocabulary.kinds(ids)
    begins = np.flatnonzero(ids == control["begin_audio"])[1:]  # the first is the header
    assert [int((kinds[begin + 1 :] != 2).argmax()) for begin in begins] == [13, 12]
    first = vocabulary.blocks["text"].offset
    seen = ""
    for number, kind in zip(ids, kinds, strict=True):
        seen += "|" if number == control["begin_audio"] else chr(number - first) if kind == 1 else ""
    assert seen == "||ab|cd"
    assert Grammar(vocabulary).parse(ids) == [[mix]]


def test_frames_carry_their_time():
    video = replace(
        stream_of({"fingerprint": "v", "modality": "video", "codebook_sizes": [8], "strides": [[4, 8, 8]]}),
        rate=Fraction(25), time_stamps=True,
    )  # fmt: skip
    vocabulary = Vocabulary((video,))
    ids = Grammar(vocabulary).render([Signal("video", (np.ones((3, 1, 2), int),), (9, 8, 16))])
    times = np.flatnonzero(ids == vocabulary.control["time"])
    first = vocabulary.blocks["number"].offset
    assert (ids[times[:, None] + [1, 2, 3]] - first).tolist() == [[0, 0, 0], [0, 0, 16], [0, 0, 32]]
    assert (ids[times + 4] == vocabulary.control["frame"]).all()


def test_runs_longer_than_the_longest_are_several():
    units, durations = deduplicate(np.array([7, 7, 7, 7, 7, 3, 7]), longest=2)
    assert units.tolist() == [7, 7, 7, 3, 7]
    assert durations.tolist() == [2, 2, 1, 1, 1]
    with pytest.raises(ValueError, match="one run is written as two"):
        RunLength(longest=2).backward(np.array([1, 8, 1, 8]), 8)


def test_pairs_are_learned_by_count_and_lines_do_not_touch():
    lines = [np.array([0, 1, 0, 1, 2]), np.array([2, 2, 2, 2, 2]), np.array([0, 1])]
    pairs = learn_pairs(lines, symbols=3, merges=10)
    assert pairs.merges == ((2, 2), (0, 1))
    assert pairs.forward(np.array([2, 2, 2, 2, 2]), 3).tolist() == [3, 3, 2]
    assert pairs.forward(np.array([0, 1, 0, 1, 2]), 3).tolist() == [4, 4, 2]
    generator = np.random.default_rng(0)
    text = generator.choice(4, 5000, p=[0.6, 0.2, 0.1, 0.1])
    learned = learn_pairs([text], symbols=4, merges=60)
    ids = learned.forward(text, 4)
    assert np.array_equal(learned.backward(ids, 4), text)
    assert len(ids) < 0.5 * len(text)


@pytest.mark.parametrize(
    ("kind", "shifts", "message"),
    [
        ("spiral", (), "no pattern 'spiral'; the patterns are parallel"),
        ("delay", (), "needs a shift for each level"),
        ("flatten", (1,), "takes no shifts"),
        ("delay", (0, -1), "0 or more steps"),
        ("partial", (0, 2), "without a gap"),
    ],
)
def test_a_pattern_that_cannot_be(kind, shifts, message):
    with pytest.raises(ValueError, match=message):
        Pattern(kind, shifts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pattern": Pattern("delay", (0, 1))}, "2 shifts for 8 levels"),
        ({"name": "a b"}, "needs a name"),
        ({"codebook_sizes": ()}, "has no levels"),
        (
            {"codebook_sizes": (2**63,) * 8},
            "a level of 9223372036854775808 codes; a level holds 1 to 4611686018427387904",
        ),
        ({"strides": ((320,),)}, "8 codebook sizes, but 1 strides"),
        ({"row_ends": True}, "no lines to end"),
        ({"time_stamps": True}, "frames to stand at"),
        ({"largest": ()}, "limit for each size"),
        ({"transform": RunLength(longest=3)}, "has 8 rows; run lengths are of one"),
    ],
)
def test_a_stream_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        replace(stream_of(CODEC), **change)
