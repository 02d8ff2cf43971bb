"""tokenizer.json by its own reader, and the rows of an embedding."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaltok.streams.embedding import embedding_rows
from signaltok.streams.hugging_face import token_names, tokenizer_json
from signaltok.streams.stream import stream_of
from signaltok.streams.vocabulary import Vocabulary

HEADER = {"fingerprint": "p", "modality": "image", "codebook_sizes": [50, 7], "strides": [[8, 8], [4, 4]]}
VOCABULARY = Vocabulary((stream_of(HEADER),))


@pytest.fixture(scope="module")
def theirs():
    reader = pytest.importorskip("tokenizers")  # the package of the extra `parity`
    return reader.Tokenizer.from_str(json.dumps(tokenizer_json(VOCABULARY)))


def test_every_id_has_its_name(theirs):
    names = token_names(VOCABULARY)
    assert len(set(names)) == len(names) == VOCABULARY.size == theirs.get_vocab_size()
    assert [theirs.token_to_id(name) for name in names] == list(range(len(names)))
    assert theirs.token_to_id("<|image/1:6|>") == VOCABULARY.blocks["image/1"].offset + 6
    assert theirs.token_to_id("<|end_image|>") == VOCABULARY.control["end_image"]


@settings(max_examples=40)
@given(
    text=st.one_of(st.text(max_size=40), st.lists(st.sampled_from(token_names(VOCABULARY)), max_size=4).map("".join))
)
def test_text_is_its_bytes_whatever_it_says(theirs, text):
    ids = theirs.encode(text).ids
    assert ids == [VOCABULARY.blocks["text"].offset + byte for byte in text.encode()]
    assert theirs.decode(ids) == text


def test_another_tokenizer_s_text_has_no_file():
    with pytest.raises(ValueError, match="another tokenizer's"):
        tokenizer_json(Vocabulary((), external_text=100))


def test_rows_of_codes_keep_the_ratios_of_distances():
    generator = np.random.default_rng(0)
    books = {"image": [generator.normal(3, 2, (50, 6)), None]}
    rows = embedding_rows(VOCABULARY, books, dim=16, scale=0.02, seed=0)
    assert rows.shape == (VOCABULARY.padded_size, 16) and rows.dtype == np.float32
    first = VOCABULARY.blocks["image/0"].offset
    own, vectors = rows[first : first + 50].astype(float), books["image"][0]
    ratios = np.linalg.norm(own[:, None] - own, axis=2)[np.triu_indices(50, 1)]
    ratios /= np.linalg.norm(vectors[:, None] - vectors, axis=2)[np.triu_indices(50, 1)]
    assert np.ptp(ratios) < 1e-5 * ratios.mean()
    assert own.std() == pytest.approx(0.02, rel=1e-5)
    others = np.delete(rows, np.s_[first : first + 50], axis=0)
    assert others.std() == pytest.approx(0.02, rel=0.05)
    wide = embedding_rows(VOCABULARY, {"image": [generator.normal(size=(50, 40)), None]}, dim=16, scale=0.02, seed=0)
    assert wide[first : first + 50].std() == pytest.approx(0.02, rel=1e-5)


def test_books_that_do_not_fit():
    with pytest.raises(ValueError, match="level 0 of 'image' has 50 codes, its vectors are"):
        embedding_rows(VOCABULARY, {"image": [np.zeros((49, 6)), None]}, dim=16, scale=0.02, seed=0)
    with pytest.raises(ValueError, match="not those of 1 codebooks"):
        embedding_rows(VOCABULARY, {"image": [None]}, dim=16, scale=0.02, seed=0)
