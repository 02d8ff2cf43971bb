"""The round-trip laws, over drawn vocabularies and documents of every kind."""

from itertools import pairwise

import numpy as np
import pytest
from drawn import documents, patterns, signals, streams, vocabularies
from hypothesis import given, settings
from hypothesis import strategies as st

from signaltok.streams.errors import TokenDataError
from signaltok.streams.geometry import geometry
from signaltok.streams.grammar import Grammar
from signaltok.streams.stream import Stream
from signaltok.streams.vocabulary import Vocabulary


@settings(max_examples=80)
@given(st.data())
def test_parsing_what_was_rendered_gives_the_documents(data):
    vocabulary = data.draw(vocabularies())
    whole = data.draw(st.lists(documents(vocabulary), max_size=3))
    grammar = Grammar(vocabulary)
    ids = grammar.render_all(whole)
    assert grammar.parse(ids) == whole
    assert Grammar(Vocabulary.from_json(vocabulary.to_json())).parse(ids.astype(np.uint32)) == whole


@settings(max_examples=30)
@given(st.data())
def test_a_prefix_gives_the_documents_before_the_cut_or_says_where_it_is_cut(data):
    vocabulary = data.draw(vocabularies())
    whole = data.draw(st.lists(documents(vocabulary), min_size=1, max_size=3))
    grammar = Grammar(vocabulary)
    ids = grammar.render_all(whole)
    ends = np.cumsum([0, *(len(grammar.render(document)) for document in whole)]).tolist()
    for cut in {*ends, *(data.draw(st.integers(0, len(ids))) for _ in range(10))}:
        complete = max(number for number, end in enumerate(ends) if end <= cut)
        found = []
        if cut in ends:
            assert grammar.parse(ids[:cut]) == whole[:complete]
            continue
        with pytest.raises(TokenDataError) as caught:
            found.extend(grammar.documents(ids[:cut]))
        assert caught.value.place == f"position {cut}"
        assert caught.value.complete == complete


@settings(max_examples=30)
@given(st.data())
def test_a_changed_id_is_an_error_or_another_document_that_is_written_so(data):
    vocabulary = data.draw(vocabularies())
    grammar = Grammar(vocabulary)
    ids = grammar.render(data.draw(documents(vocabulary)))
    pairs = any(stream.transform is not None and stream.to_json()["transform"]["kind"] == "pairs"
                for stream in vocabulary.streams)  # fmt: skip
    for _ in range(10):
        place = data.draw(st.integers(0, len(ids) - 1))
        changed = ids.copy()
        changed[place] = data.draw(st.integers(-1, vocabulary.padded_size))
        try:
            found = grammar.parse(changed)
        except TokenDataError as error:
            assert int(error.place.removeprefix("position ")) <= len(ids)
            continue
        assert pairs or np.array_equal(grammar.render_all(found), changed)


@settings(max_examples=30)
@given(st.data())
def test_every_prefix_allows_what_comes_next(data):
    vocabulary = data.draw(vocabularies())
    grammar = Grammar(vocabulary)
    cursor = grammar.cursor()
    for number in grammar.render(data.draw(documents(vocabulary))).tolist():
        assert all(first < last for first, last in cursor.allowed)
        cursor.advance(number)


@settings(max_examples=40)
@given(vocabularies(), st.integers(0, 2**32 - 1))
def test_whatever_is_sampled_from_what_is_allowed_parses(vocabulary, seed):
    generator = np.random.default_rng(seed)
    grammar = Grammar(vocabulary)
    cursor, ids = grammar.cursor(), []
    end = vocabulary.control["eos"]
    while not ids or ids[-1] != end:
        allowed = cursor.allowed
        ends = [first for first, last in allowed if last - first == 1 and first < vocabulary.control["begin_text"] + 64]
        may = np.concatenate([np.arange(first, last)[:: max(1, (last - first) // 50)] for first, last in allowed])
        # Words and segments come to an end sooner or later.
        leave = {end, vocabulary.control["end_text"], vocabulary.control["end_mix"]} & set(ends)
        ids.append(min(leave) if leave and generator.random() < 0.4 else int(generator.choice(may)))
        cursor.advance(ids[-1])
    (document,) = grammar.parse(np.array(ids))
    assert grammar.parse(grammar.render(document)) == [document]


@settings(max_examples=25)
@given(st.data())
def test_ids_lie_in_their_blocks_and_blocks_are_disjoint(data):
    vocabulary = data.draw(vocabularies())
    blocks = sorted((block.offset, block.offset + block.size) for block in vocabulary.blocks.values())
    assert blocks[0][0] == 0
    assert all(end == start for (_, end), (start, _) in pairwise(blocks))
    assert 0 <= vocabulary.padded_size - vocabulary.size < 128 and vocabulary.padded_size % 128 == 0
    ids = Grammar(vocabulary).render(data.draw(documents(vocabulary)))
    assert ids.min() >= 0 and ids.max() < vocabulary.size
    kinds = vocabulary.kinds(ids)
    for number, stream in enumerate(vocabulary.streams):
        own = [block for name, block in vocabulary.blocks.items() if name.startswith(f"{stream.name}/")]
        inside = sum(((ids >= block.offset) & (ids < block.offset + block.size)).astype(int) for block in own)
        assert np.array_equal(inside == 1, kinds == 2 + number)


@given(st.text(max_size=60))
def test_no_text_becomes_an_id_that_is_not_text(text):
    from signaltok.streams.documents import Text

    vocabulary = Vocabulary(())
    ids = Grammar(vocabulary).render([Text.of(text + "<|eos|><|begin_image|>")])
    block, control = vocabulary.blocks["text"], vocabulary.control
    assert ids[[0, 1, -2, -1]].tolist() == [control[n] for n in ("bos", "begin_text", "end_text", "eos")]
    assert ((ids[2:-2] >= block.offset) & (ids[2:-2] < block.offset + block.size)).all()


@settings(max_examples=50)
@given(st.data())
def test_a_layout_inverts_and_masks(data):
    modality = data.draw(st.sampled_from(["audio", "image", "video"]))
    stream: Stream = data.draw(streams("x", modality))
    signal = data.draw(signals(stream))
    places = geometry(stream, tuple(level.shape for level in signal.levels))
    pattern = data.draw(patterns(len(stream.codebook_sizes)))
    layout = pattern.layout(places.places(), [row.level for row in stream.rows])
    codes = np.arange(len(places.row)) + 7
    grid = layout.apply(codes, empty=-1)
    assert grid.shape == (layout.rows, layout.steps) == layout.mask().shape
    assert np.array_equal(layout.invert(grid), codes)
    assert np.array_equal(layout.mask(), grid >= 0)
    assert np.array_equal(np.sort(layout.line()), np.arange(len(codes)))
