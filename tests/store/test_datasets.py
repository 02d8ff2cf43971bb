"""Every layout read back: by its own reader where a package has one, else byte by byte as its authors publish it."""

import io
import json
import struct
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from stores import HEADER, KEYS, fill, make_item

from signaltok.store.datasets.export import FORMATS, export_dataset, in_validation
from signaltok.store.index import read_store
from signaltok.streams.errors import TokenDataError
from signaltok.streams.grammar import Grammar
from signaltok.streams.patterns import Pattern
from signaltok.streams.stream import stream_of
from signaltok.streams.vocabulary import Vocabulary, read_vocabulary

SMALL = replace(HEADER, codebook_sizes=(300, 70), strides=((4, 4), (8, 8)))
KEYS_THERE = sorted(set(KEYS) - {"broken.png"})


def small_item(key):
    item = make_item(key)
    levels = (item.levels[0] % 300, item.levels[1] % 70)
    return replace(item, levels=levels)


def vocabulary_of(header):
    return Vocabulary((stream_of(header.to_json(), pattern=Pattern("delay", (0, 1))),))


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "tokens", header=SMALL, keys=KEYS_THERE, compute=small_item)
    return read_store(tmp_path / "tokens")


def export(store, out, layout, *, vocabulary=None, validation=0.0, loss="all"):
    return export_dataset(
        [("image", store)], vocabulary or vocabulary_of(store.header), out, layout=layout, validation=validation,
        loss=loss, text_of=lambda key: f"about {key}", embedding=None, interleave=False,
        advance=lambda count: None,
    )  # fmt: skip


def check(vocabulary, found):
    """found: {key or number: ids} in the order of the keys."""
    documents = [Grammar(vocabulary).parse(np.asarray(ids).astype(np.int64)) for ids in found.values()]
    for key, ((text, signal),) in zip(KEYS_THERE, documents, strict=True):
        assert text.decoded() == f"about {key}"
        for ours, theirs in zip(signal.levels, small_item(key).levels, strict=True):
            assert np.array_equal(ours, theirs)
        assert signal.signal_size == make_item(key).signal_size


def test_parquet_by_pyarrow(store, tmp_path):
    from pyarrow.parquet import read_table

    export(store, tmp_path / "out", "parquet")
    table = read_table(tmp_path / "out" / "train.parquet")
    assert str(table.schema.field("ids").type) == "list<element: uint16>"
    vocabulary = read_vocabulary(tmp_path / "out")
    assert table.schema.metadata[b"signaltok_vocabulary"].decode() == vocabulary.identity
    keys = table["key"].to_pylist()
    assert keys == KEYS_THERE
    check(vocabulary, dict(zip(keys, table["ids"].to_pylist(), strict=True)))


def test_webdataset_by_webdataset(store, tmp_path):
    from webdataset.tariterators import group_by_keys, tar_file_iterator

    export(store, tmp_path / "out", "webdataset")
    with (tmp_path / "out" / "train-000000.tar").open("rb") as file:  # its data set would leave the file open
        samples = list(group_by_keys({**entry, "__url__": ""} for entry in tar_file_iterator(file)))
    found = {json.loads(sample["json"])["key"]: np.load(io.BytesIO(sample["ids.npy"])) for sample in samples}
    assert list(found) == KEYS_THERE
    assert found[KEYS_THERE[0]].dtype == np.uint16
    check(read_vocabulary(tmp_path / "out"), found)


def test_megatron_by_its_layout(store, tmp_path):
    export(store, tmp_path / "out", "megatron")
    index, data = ((tmp_path / "out" / f"train.{e}").read_bytes() for e in ("idx", "bin"))
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, kind, sequences, documents = struct.unpack_from("<QBQQ", index, 9)
    assert (version, kind, sequences, documents) == (1, 8, 8, 5)
    at = 34
    lengths = np.frombuffer(index, "<i4", sequences, at)
    pointers = np.frombuffer(index, "<i8", sequences, at + 4 * sequences)
    starts = np.frombuffer(index, "<i8", documents, at + 12 * sequences)
    modes = np.frombuffer(index, "<i1", sequences, at + 12 * sequences + 8 * documents)
    assert len(index) == at + 13 * sequences + 8 * documents
    assert modes.tolist() == [1, 2] * 4 and starts.tolist() == [0, 2, 4, 6, 8]
    pieces = [np.frombuffer(data, "<u2", n, p) for n, p in zip(lengths, pointers, strict=True)]
    assert len(data) == 2 * lengths.sum()
    found = {n: np.concatenate(pieces[a:b]) for n, (a, b) in enumerate(pairwise(starts))}
    check(read_vocabulary(tmp_path / "out"), found)
    notes = json.loads((tmp_path / "out" / "stream.json").read_text())["notes"]
    assert any("multimodal" in note for note in notes) and any("delay" in note for note in notes)


@pytest.mark.parametrize(("loss", "kinds"), [("text", [1]), ("codes", [2])])
def test_datatrove_by_its_layout(store, tmp_path, loss, kinds):
    export(store, tmp_path / "out", "datatrove", loss=loss)
    ids = np.fromfile(tmp_path / "out" / "train.ds", "<u2")
    ends = np.fromfile(tmp_path / "out" / "train.ds.index", "<u8").astype(int)
    losses = np.fromfile(tmp_path / "out" / "train.ds.loss", bool)
    vocabulary = read_vocabulary(tmp_path / "out")
    name, count, _ = (tmp_path / "out" / "train.ds.metadata").read_text().splitlines()
    assert name == f"signaltok:{vocabulary.identity}|2" and int(count) == len(ids) == ends[-1]
    assert np.array_equal(losses, np.isin(vocabulary.kinds(ids.astype(int)), kinds)) and losses.any()
    check(vocabulary, dict(enumerate(np.split(ids, ends[:-1]))))


def test_litdata_by_its_layout(store, tmp_path, monkeypatch):
    monkeypatch.setattr("signaltok.store.datasets.litdata.CHUNK_BYTES", 300)
    export(store, tmp_path / "out", "litdata")
    index = json.loads((tmp_path / "out" / "train" / "index.json").read_text())
    assert index["config"]["data_format"] == ["no_header_tensor:16"]
    assert index["config"]["item_loader"] == "TokensLoader"
    found, chunks = {}, index["chunks"]
    assert len(chunks) > 1
    for chunk in chunks:
        content = (tmp_path / "out" / "train" / chunk["filename"]).read_bytes()
        (items,) = struct.unpack_from("<I", content)
        offsets = np.frombuffer(content, "<u4", items + 1, 4)
        assert items == chunk["chunk_size"] and offsets[0] == 4 * (items + 2) and offsets[-1] == len(content)
        assert chunk["chunk_bytes"] == 4 * chunk["dim"] == offsets[-1] - offsets[0]
        for first, last in pairwise(offsets):
            found[len(found)] = np.frombuffer(content[first:last], "<i4")
    check(read_vocabulary(tmp_path / "out"), found)


def test_nanogpt_is_one_row_of_documents(store, tmp_path):
    told = export(store, tmp_path / "out", "nanogpt", validation=0.5)
    vocabulary, seen = read_vocabulary(tmp_path / "out"), {}
    for split in ("train", "val"):
        ids = np.fromfile(tmp_path / "out" / f"{split}.bin", "<u2")
        assert len(ids) == told["ids"][split]
        for text, signal in Grammar(vocabulary).parse(ids):
            seen[text.decoded().removeprefix("about ")] = (split, signal)
    assert sorted(seen) == KEYS_THERE
    assert all(split == ("val" if in_validation(key, 0.5) else "train") for key, (split, _) in seen.items())
    assert {split for split, _ in seen.values()} == {"train", "val"}


@pytest.mark.parametrize("layout", FORMATS)
def test_a_vocabulary_of_more_than_two_bytes_and_a_broken_store_leave_nothing(tmp_path, layout):
    fill(tmp_path / "tokens")
    wide = read_store(tmp_path / "tokens")
    if layout == "nanogpt":
        with pytest.raises(ValueError, match="ids of two bytes, but the vocabulary has 66816"):
            export(wide, tmp_path / "out", layout)
        return
    assert export(wide, tmp_path / "first", layout)["documents"] == {"train": 4}
    path = tmp_path / "tokens" / "shard-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(TokenDataError, match="it is cut"):
        export(wide, tmp_path / "out", layout)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_what_cannot_be_exported(store, tmp_path):
    other = vocabulary_of(replace(SMALL, fingerprint="b" * 64))
    with pytest.raises(
        TokenDataError, match="codes of tokenizer aaaaaaaaaaaa…, but the stream 'image' is of bbbbbbbbbbbb…"
    ):
        export(store, tmp_path / "out", "parquet", vocabulary=other)
    with pytest.raises(ValueError, match="no place for a loss over text alone"):
        export(store, tmp_path / "out", "nanogpt", loss="text")
    with pytest.raises(ValueError, match="share of validation is 0 to 1, got 1"):
        export(store, tmp_path / "out", "nanogpt", validation=1.0)
    with pytest.raises(ValueError, match="exists; give a new folder"):
        export(store, tmp_path, "nanogpt")
    assert not (tmp_path / "out").exists()
