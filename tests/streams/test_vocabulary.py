"""The vocabulary map: its layout, its identity, what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

from signaltok.streams.documents import Mix, Signal, Text, Word
from signaltok.streams.errors import TokenDataError
from signaltok.streams.grammar import Grammar
from signaltok.streams.stream import stream_of
from signaltok.streams.vocabulary import Vocabulary, read_vocabulary

PICTURE = {"fingerprint": "p" * 64, "modality": "image", "codebook_sizes": [512, 2**18], "strides": [[8, 8], [4, 4]]}
VOCABULARY = Vocabulary((stream_of(PICTURE),))


def test_blocks_stand_one_after_the_other_and_wide_levels_are_digits():
    blocks = [(block.name, block.offset, block.size) for block in VOCABULARY.blocks.values()]
    assert blocks == [
        ("control", 0, 64), ("number", 64, 256), ("text", 320, 256),
        ("image/0", 576, 512), ("image/1.0", 1088, 512), ("image/1.1", 1600, 512),
    ]  # fmt: skip
    assert (VOCABULARY.size, VOCABULARY.padded_size) == (2112, 2176)
    assert VOCABULARY.control["begin_image"] == 16


def test_an_external_text_vocabulary_keeps_its_ids():
    vocabulary = replace(VOCABULARY, external_text=50_257)
    assert vocabulary.blocks["text"].offset == 0
    assert vocabulary.control["pad"] == 50_257
    ids = Grammar(vocabulary).render([Text(np.array([50_256, 0]))])
    assert ids[2:4].tolist() == [50_256, 0]
    with pytest.raises(ValueError, match="text ids from 0 to 50257, the vocabulary has 50257"):
        Grammar(vocabulary).render([Text(np.array([0, 50_257]))])


def test_levels_share_a_block_where_they_are_told_to():
    vocabulary = Vocabulary((replace(stream_of(PICTURE), shared=True),))
    assert [name for name in vocabulary.blocks if name.startswith("image")] == ["image/all"]
    signal = Signal("image", (np.array([[511]]), np.array([[2**18 - 1, 0], [1, 512]])), (8, 8))
    assert Grammar(vocabulary).parse(Grammar(vocabulary).render([signal])) == [[signal]]


def test_the_identity_changes_with_everything_that_ids_depend_on():
    changes = [
        replace(VOCABULARY, streams=(replace(VOCABULARY.streams[0], fingerprint="q"),)),
        replace(VOCABULARY, streams=(replace(VOCABULARY.streams[0], row_ends=True),)),
        replace(VOCABULARY, chunk_ticks=50),
        replace(VOCABULARY, external_text=256),
    ]
    assert len({VOCABULARY.identity, *(change.identity for change in changes)}) == 5
    assert Vocabulary.from_json(json.loads(json.dumps(VOCABULARY.to_json()))).identity == VOCABULARY.identity


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["blocks"][3].update(offset=577), "not those that follow"),
        (lambda content: content.pop("tick"), "damaged .KeyError: 'tick'"),
        (lambda content: content.update(format_version=2), "format 2, this signaltok reads 1"),
        (lambda content: content["streams"][0].pop("largest"), "damaged"),
    ],
)
def test_a_damaged_vocabulary_names_the_file(tmp_path, change, message):
    content = json.loads(json.dumps(VOCABULARY.to_json()))
    change(content)
    (tmp_path / "vocab.json").write_text(json.dumps(content))
    with pytest.raises(TokenDataError, match=message) as caught:
        read_vocabulary(tmp_path)
    assert caught.value.place == str(tmp_path / "vocab.json")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_what_is_no_vocabulary_names_the_file(tmp_path, text):
    (tmp_path / "vocab.json").write_text(text)
    with pytest.raises(TokenDataError, match=r"vocab\.json"):
        read_vocabulary(tmp_path)
    with pytest.raises(ValueError, match="there is no"):
        read_vocabulary(tmp_path / "nowhere.json")


@pytest.mark.parametrize("names", [("a", "a"), ("text",), tuple(f"s{n}" for n in range(25))])
def test_names_that_cannot_be(names):
    with pytest.raises(ValueError, match="names of their own"):
        Vocabulary(tuple(stream_of(PICTURE, name=name) for name in names))


def test_codes_of_another_tokenizer_are_refused():
    VOCABULARY.check_fingerprint("image", "p" * 64, "a store")
    with pytest.raises(TokenDataError, match="a store: codes of tokenizer qqqqqqqqqqqq"):
        VOCABULARY.check_fingerprint("image", "q" * 64, "a store")
    with pytest.raises(ValueError, match="no stream 'audio'; there are image"):
        VOCABULARY.check_fingerprint("audio", "p" * 64, "a store")


@pytest.mark.parametrize(
    ("levels", "size", "message"),
    [
        ((np.array([[512]]), np.zeros((2, 2), int)), (8, 8), "level 0 of 'image' has codes from 512 to 512"),
        ((np.array([[-1]]), np.zeros((2, 2), int)), (8, 8), "codes from -1"),
        ((np.array([[0.0]]), np.zeros((2, 2), int)), (8, 8), "codes are integers"),
        ((np.array([[0]]), np.zeros((2, 3), int)), (8, 8), "has no levels of shapes"),
        ((np.array([[0]]),), (8, 8), "has 2 levels"),
        ((np.array([[0]]), np.zeros((2, 2), int)), (8,), "signals of 2 axes"),
        ((np.zeros((1, 8193), int), np.zeros((1, 16385), int)), (4, 65_540), "takes sizes up to"),
    ],
)
def test_a_signal_that_does_not_fit_its_stream(levels, size, message):
    with pytest.raises(ValueError, match=message):
        Grammar(VOCABULARY).render([Signal("image", levels, size)])


def test_a_mix_that_cannot_be():
    grammar = Grammar(VOCABULARY)
    signal = Signal("image", (np.array([[0]]), np.zeros((2, 2), int)), (8, 8))
    with pytest.raises(ValueError, match="no rate along time"):
        grammar.render([Mix((signal,), ())])
    with pytest.raises(ValueError, match="in the order of their ticks"):
        grammar.render([Mix((), (Word(5, Text.of("")), Word(4, Text.of(""))))])


def test_errors_say_the_position():
    grammar, control = Grammar(VOCABULARY), VOCABULARY.control
    signal = Signal("image", (np.array([[3]]), np.zeros((2, 2), int)), (8, 8))
    ids = grammar.render([signal])
    first = int(np.flatnonzero(VOCABULARY.kinds(ids) == 2)[0])
    for place, number, message in (
        (0, 5, "where 1 has to stand"),
        (1, control["end_image"], "begins no segment"),
        (2, control["pad"], "is no digit"),
        (first, 576 + 512, "cannot stand here"),
        (len(ids) - 2, control["eos"], "cannot stand here"),
    ):
        changed = ids.copy()
        changed[place] = number
        with pytest.raises(TokenDataError, match=message) as caught:
            grammar.parse(changed)
        assert caught.value.place == f"position {place}"
    with pytest.raises(TokenDataError, match="position 3: id 5 cannot stand here"):
        grammar.allowed(np.array([*ids[:3], 5]))
    with pytest.raises(ValueError, match="integers in one row"):
        grammar.parse(ids.astype(float))


def test_a_header_of_an_enormous_picture_is_an_error_before_anything_is_made():
    number = VOCABULARY.blocks["number"].offset
    ids = [VOCABULARY.control["bos"], VOCABULARY.control["begin_image"], *[number + 255] * 4, 600]
    with pytest.raises(TokenDataError, match="end in the middle"):
        Grammar(VOCABULARY).parse(np.array(ids))


def test_sampling_into_given_sizes():
    cursor = Grammar(VOCABULARY).cursor({"image": (4, 12)})
    for number in (VOCABULARY.control["bos"], VOCABULARY.control["begin_image"]):
        cursor.advance(number)
    digits = []
    for _ in range(4):
        ((first, last),) = cursor.allowed
        assert last == first + 1
        digits.append(first - VOCABULARY.blocks["number"].offset)
        cursor.advance(first)
    assert digits == [0, 4, 0, 12]
