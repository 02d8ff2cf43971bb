"""signaltok stream: another vocabulary first, run lengths, pairs, and documents of several stores."""

import json

import numpy as np
import pytest

from signaltok.cli.main import main
from signaltok.store.index import fill_store, read_store
from signaltok.store.plan import Header, Item
from signaltok.streams.documents import Signal, Text
from signaltok.streams.grammar import Grammar
from signaltok.streams.vocabulary import read_vocabulary

IMAGE = Header(
    fingerprint="1" * 64, modality="image", codebook_sizes=(9,), strides=((4, 4),), value_range=(0.0, 1.0)
)  # fmt: skip
AUDIO = Header(
    fingerprint="2" * 64, modality="audio", codebook_sizes=(5,), strides=((2,),), value_range=(0.0, 1.0), sample_rate=50
)  # fmt: skip


def fill(folder, header, keys, sizes):
    generator = np.random.default_rng(0)

    def compute(key):
        grid = [-(-n // s) for n, s in zip(sizes, header.strides[0], strict=True)]
        codes = np.repeat(generator.integers(0, header.codebook_sizes[0], grid), 3, axis=-1)[..., : grid[-1]]
        return Item(key=key, levels=(codes,), signal_size=tuple(sizes))

    fill_store(folder, header, keys, shard_items=2, device="none", compute=compute, advance=lambda done: None)
    return folder


@pytest.fixture
def stores(tmp_path):
    """Names that sort otherwise with their endings than without: a-b before a, and a/c after both."""
    pictures = fill(tmp_path / "pictures", IMAGE, ["a.png", "a-b.png", "a/c.png", "only.png"], (12, 40))
    sounds = fill(tmp_path / "sounds", AUDIO, ["a.wav", "a-b.wav", "a/c.wav", "alone.wav"], (60,))
    return pictures, sounds


@pytest.fixture
def stream(stores, tmp_path):
    def call(*options):
        out = tmp_path / "ids"
        return main(["stream", *map(str, stores), "--out", str(out), "--format", "nanogpt", *map(str, options)]), out

    return call


def documents(out):
    return Grammar(read_vocabulary(out)).parse(np.fromfile(out / "train.bin", "<u2"))


def signals(stores):
    return {
        (name, item.key): Signal(name, tuple(level.astype(np.int64) for level in item.levels), item.signal_size)
        for name, folder in zip(("image", "audio"), stores, strict=True)
        for item in read_store(folder)
    }


@pytest.fixture
def theirs(tmp_path):
    """A tokenizer of words, with a special token that text may spell."""
    reader = pytest.importorskip("tokenizers")
    model = reader.models.WordLevel({"[UNK]": 0, "hello": 1, "there": 2, "</s>": 3}, unk_token="[UNK]")
    tokenizer = reader.Tokenizer(model)
    tokenizer.pre_tokenizer = reader.pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["</s>", "<pad>"])
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_another_model_s_ids_come_first_and_texts_are_in_them(stream, stores, theirs, tmp_path):
    texts = tmp_path / "texts"
    (texts / "a").mkdir(parents=True)
    for name in ("a", "a-b", "a/c", "only", "alone"):
        (texts / f"{name}.txt").write_text("hello there </s> <pad> you")
    status, out = stream("--text-tokenizer", theirs, "--texts", texts, "--text-rows", 8)
    assert status == 0
    vocabulary = read_vocabulary(out)
    assert vocabulary.external_text == 8 and vocabulary.blocks["text"].offset == 0
    for text, _ in documents(out):
        # Of a word model a special token's spelling is a word of its own, or unknown; it is never the token <pad>, 4.
        assert text.ids.tolist()[:2] == [1, 2] and 4 not in text.ids and text.ids.tolist()[-1] == 0
    assert not (out / "tokenizer.json").exists()
    told = json.loads((out / "stream.json").read_text())
    assert any("the ids of tokenizer.json, SHA-256" in note for note in told["notes"])


def test_rows_alone_leave_room_for_another_model(stream, stores):
    status, out = stream("--text-rows", 1000)
    assert status == 0 and read_vocabulary(out).blocks["control"].offset == 1000
    assert [document[0] for document in documents(out)] == list(signals(stores).values())


def test_run_lengths_and_pairs_give_the_same_codes_in_fewer_ids(stream, stores, tmp_path):
    assert stream()[0] == 0
    plain = np.fromfile(tmp_path / "ids" / "train.bin", "<u2")
    (tmp_path / "ids").rename(tmp_path / "plain")
    status, out = stream("--run-lengths", "audio=16", "--pairs", "image=12")
    assert status == 0
    vocabulary = read_vocabulary(out)
    assert vocabulary.blocks["audio/durations"].size == 16 and vocabulary.blocks["image/pairs"].size == 12
    assert documents(out) == documents(tmp_path / "plain")
    assert len(np.fromfile(out / "train.bin", "<u2")) < 0.8 * len(plain)


def test_one_document_of_all_items_of_a_name(stream, stores, tmp_path):
    status, out = stream("--join")
    assert status == 0
    found, known = documents(out), signals(stores)
    names = ["a", "a-b", "a/c", "alone", "only"]
    expected = [
        [known[stream, f"{name}.{ending}"] for stream, ending in (("image", "png"), ("audio", "wav"))
         if (stream, f"{name}.{ending}") in known]
        for name in names
    ]  # fmt: skip
    assert [list(document) for document in found] == expected
    assert json.loads((out / "stream.json").read_text())["documents"] == {"train": 5}


def test_a_name_that_stands_twice_is_not_joined(stream, tmp_path, stores, capsys):
    fill(tmp_path / "twice", IMAGE, ["a.png", "a.jpg"], (8, 8))
    arguments = ["stream", str(tmp_path / "twice"), "--out", str(tmp_path / "x"), "--format", "nanogpt"]
    assert main([*arguments, "--join"]) == 1
    assert "has a.jpg and a.png, which are one name" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run-lengths", "speech=3"], "--run-lengths names the stream 'speech'; the stores give image, audio"),
        (["--pairs", "image"], "--pairs takes STREAM=NUMBER, once a stream and 1 or more, not 'image'"),
        (["--pairs", "image=0"], "not 'image=0'"),
        (["--pairs", "image=2", "--pairs", "image=3"], "once a stream"),
        (["--pairs", "audio=2", "--run-lengths", "audio=2"], "'audio' has run lengths and pairs"),
        (["--text-rows", "5", "--texts", "x"], "has no way to write texts: give --text-tokenizer"),
        (["--text-rows", "0"], "an external text vocabulary has at least one id"),
        (["--text-tokenizer", "nowhere.json"], "there is no nowhere.json"),
    ],
)
def test_what_does_not_fit_is_named(stream, capsys, options, message):
    status, out = stream(*options)
    assert status == 1 and message in capsys.readouterr().err and not out.exists()


def test_a_file_that_is_no_tokenizer_and_too_few_rows_are_named(stream, theirs, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert stream("--text-tokenizer", other)[0] == 1
    assert "it has no model" in capsys.readouterr().err
    assert stream("--text-tokenizer", theirs, "--text-rows", 3)[0] == 1
    assert "has ids up to 4; give 5 or more" in capsys.readouterr().err


def test_texts_are_text_segments(stream, stores, tmp_path):
    texts = tmp_path / "texts"
    (texts / "a").mkdir(parents=True)
    for name in ("a", "a-b", "a/c", "only", "alone"):
        (texts / f"{name}.txt").write_text(name)
    status, out = stream("--join", "--texts", texts)
    assert status == 0
    assert [document[0] for document in documents(out)] == [Text.of(n) for n in ("a", "a-b", "a/c", "alone", "only")]
