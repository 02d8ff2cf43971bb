"""Documents, splits and windows of token stores."""

import numpy as np
import pytest
from small_stores import AUDIO, IMAGE, fill, token_data

from signaltok.data.split import SPLITS
from signaltok.language.documents import pieces
from signaltok.streams.documents import Signal
from signaltok.streams.stream import stream_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return token_data(tmp_path_factory.mktemp("tokens"))


def test_the_documents_of_all_splits_are_all_codes_and_texts(data):
    found = {"image": 0, "audio": 0}
    texts = set()
    for split in SPLITS:
        for document in data.grammar.parse(data.splits[split].ids):
            found[document[-1].stream] += sum(level.size for level in document[-1].levels)
            texts |= {segment.decoded() for segment in document[:-1]}
    assert found == {stream: sum(store.tokens) for stream, store in zip(found, data.stores, strict=True)}
    assert texts == {f"word {n} of" for n in range(7)}


def test_equal_words_and_the_pieces_of_a_picture_are_on_one_side(data):
    sides = {}
    for split in SPLITS:
        for entry in data.told[split]:
            sides.setdefault(entry.text or entry.key.partition("@")[0], set()).add(split)
    assert all(len(found) == 1 for found in sides.values())


def test_pieces_are_the_whole_signal_each_cell_once():
    stream = stream_of(IMAGE.to_json())
    codes = np.arange(5 * 6).reshape(5, 6) % 20
    whole, area = np.full((5, 6), -1), 0
    for (row, column), piece in pieces(stream, Signal("image", (codes,), (18, 22)), [3, 4]):
        height, width = piece.levels[0].shape
        assert (whole[row : row + height, column : column + width] == -1).all()
        whole[row : row + height, column : column + width] = piece.levels[0]
        stream.numbers((piece.levels[0].shape,), piece.signal_size)  # raises where the size does not fit the grid
        area += piece.signal_size[0] * piece.signal_size[1]
    assert np.array_equal(whole, codes) and area == 18 * 22


def test_segments_say_where_an_id_stands(data):
    split = data.splits["train"]
    control = data.vocabulary.control
    assert set(split.segments[np.isin(split.ids, [control["bos"], control["eos"]])]) == {0}
    for kind, name in ((1, "text"), (2, "image"), (3, "audio")):
        begins = split.ids == control[f"begin_{name}"]
        assert begins.any() and (split.segments[begins] == kind).all()
    kinds = data.vocabulary.kinds(split.ids.astype(np.int64))
    assert (kinds[kinds > 0] == split.segments[kinds > 0]).all()


def test_evaluation_predicts_every_id_but_the_first_once(data):
    for world in (1, 2):
        batches = [
            batch for rank in range(world) for batch in data.eval_loader("val", rank=rank, world=world)
        ]  # fmt: skip
        ids = np.concatenate([batch.ids[:, 1:][batch.segments[:, 1:] >= 0].numpy() for batch in batches])
        assert np.array_equal(np.sort(ids), np.sort(data.splits["val"].ids[1:]))


def test_a_run_that_goes_on_sees_the_windows_it_would_have_seen(data):
    def windows(start):
        loader = data.train_loader(seed=3, num_batches=6, start_batch=start, rank=0, world=1)
        return [batch.ids.tolist() for batch in loader]

    assert windows(4) == windows(0)[4:] and len(windows(0)) == 6
    other = data.train_loader(seed=4, num_batches=6, start_batch=0, rank=0, world=1)
    assert next(iter(other)).ids.tolist() != windows(0)[0]
    shares = [list(data.train_loader(seed=3, num_batches=3, start_batch=0, rank=r, world=2)) for r in range(2)]
    assert [batch.ids.tolist() for pair in zip(*shares, strict=True) for batch in pair] == windows(0)


def test_the_fingerprint_is_of_codes_and_rules(tmp_path, data):
    assert token_data(tmp_path / "same").fingerprint() == data.fingerprint()
    assert token_data(tmp_path / "other", pieces={}).fingerprint() != data.fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"store": []}, r"data\.store is empty; give a token store"),
        ({"store": "nowhere"}, "nowhere is not a token store"),
        ({"texts": {"speech": "x"}}, r"data\.texts names speech, but the stores give image, audio"),
        ({"texts": {"audio": "nowhere.tsv"}}, r"there is no nowhere\.tsv"),
        ({"pieces": {"image": [3]}}, r"data\.pieces\.image is \[3\]; give 2 numbers"),
        ({"context": 100_000}, r"the train split has \d+ ids, which is no window of data\.context \+ 1"),
        ({"batch_size": 0}, r"data\.batch_size is 0"),
        ({"pattern": "spiral"}, "there is no pattern 'spiral'"),
        ({"weights": {"text": 0.0}}, r"data\.weights\.text is 0.0; weights are above 0, of structure, text, image"),
        ({"weights": {"txt": 2.0}}, r"data\.weights\.txt is 2.0; weights are above 0, of structure, text"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        token_data(tmp_path, **changes)


def test_one_store_alone_passes_over_the_other_modality(tmp_path):
    both = token_data(tmp_path)
    alone = token_data(tmp_path / "alone", store=str(both.stores[0].folder))
    assert [stream.name for stream in alone.vocabulary.streams] == ["image"]


def test_levels_on_several_grids_have_no_pieces(tmp_path):
    other = AUDIO.__class__(**{**vars(AUDIO), "strides": ((8,), (4,))})
    folder = fill(tmp_path / "uneven", other, {f"{n}.wav": (64,) for n in range(30)})
    with pytest.raises(ValueError, match="do not lie on one grid"):
        token_data(tmp_path / "x", store=str(folder), texts={}, pieces={"audio": [4]})
