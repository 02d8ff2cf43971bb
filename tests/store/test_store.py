"""The token store on plain arrays: cutting, resuming, refusing, reading back."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from stores import HEADER, KEYS, compute, contents, fill, make_item

from signaltok.store.index import read_store
from signaltok.store.plan import Failure, Header, plan_shards


def test_every_item_comes_back_in_the_order_of_the_keys(tmp_path):
    index = fill(tmp_path / "tokens")
    store = read_store(tmp_path / "tokens")
    items = list(store)
    assert [item.key for item in items] == sorted(set(KEYS) - {"broken.png"})
    assert len(store) == index["items"] == 4
    assert store.header == HEADER
    assert store.failures == (Failure("broken.png", "truncated"),)
    for item in items:
        expected = make_item(item.key)
        assert item.signal_size == expected.signal_size
        for ours, theirs in zip(item.levels, expected.levels, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert list(store.tokens) == [sum(item.levels[q].size for item in items) for q in range(2)]


def test_the_layout_on_disk(tmp_path):
    fill(tmp_path)
    names = [f"shard-0000{n}.{ending}" for n in range(3) for ending in ("json", "safetensors")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "index.json"])
    tensors = load_file(tmp_path / "shard-00000.safetensors")
    kinds = {name: str(tensor.dtype) for name, tensor in tensors.items()}
    assert kinds == {
        "codes.0": "uint16",
        "codes.1": "uint32",
        "shape.0": "int32",
        "shape.1": "int32",
        "signal_size": "int32",
        "key": "uint8",
        "key_offsets": "int64",
    }
    assert tensors["codes.0"].ndim == 1
    side = json.loads((tmp_path / "shard-00000.json").read_text())
    shard = (tmp_path / "shard-00000.safetensors").read_bytes()
    assert side["sha256"] == hashlib.sha256(shard).hexdigest()
    assert side["bytes"] == len(shard)
    assert side["tokens"] == [tensors["codes.0"].size, tensors["codes.1"].size]


def test_the_order_of_the_keys_does_not_matter(tmp_path):
    fill(tmp_path / "one")
    fill(tmp_path / "two", keys=KEYS[::-1])
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("lost", [["index.json"], ["shard-00001.json", "index.json"], ["shard-00002.safetensors"]])
def test_resuming_gives_the_same_bytes_and_computes_only_what_is_lost(tmp_path, lost):
    fill(tmp_path)
    before = contents(tmp_path)
    for name in lost:
        (tmp_path / name).unlink()
    asked = []
    fill(tmp_path, compute=lambda key: asked.append(key) or compute(key))
    assert contents(tmp_path) == before
    shards = {name.partition(".")[0] for name in lost if name.startswith("shard")}
    assert asked == [key for p in plan_shards(KEYS, 2) if p.name in shards for key in p.keys]


def test_a_run_killed_inside_a_shard_goes_on(tmp_path):
    class KillError(Exception):
        pass

    def kill_at_c(key):
        if key == "c.png":
            raise KillError
        return compute(key)

    with pytest.raises(KillError):
        fill(tmp_path / "tokens", compute=kill_at_c)
    with pytest.raises(ValueError, match=r"unfinished.*run tokenize again"):
        read_store(tmp_path / "tokens")
    fill(tmp_path / "tokens")
    fill(tmp_path / "unbroken")
    assert contents(tmp_path / "tokens") == contents(tmp_path / "unbroken")


def test_shards_from_before_there_were_channels_are_made_anew(tmp_path):
    fill(tmp_path / "tokens")
    (tmp_path / "tokens" / "shard-00002.json").unlink()
    header = replace(HEADER, channels=3)
    fill(tmp_path / "tokens", header=header)
    fill(tmp_path / "unbroken", header=header)
    assert contents(tmp_path / "tokens") == contents(tmp_path / "unbroken")
    with pytest.raises(ValueError, match="codes of another tokenizer"):
        fill(tmp_path / "tokens", header=replace(header, channels=1))


def test_a_damaged_shard_is_named_when_read_and_made_anew_when_resumed(tmp_path):
    fill(tmp_path)
    before = contents(tmp_path)
    path = tmp_path / "shard-00001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"shard-00001\.safetensors: it is damaged"):
        list(read_store(tmp_path))
    fill(tmp_path)
    assert contents(tmp_path) == before


def test_a_missing_shard_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "shard-00001.safetensors").unlink()
    with pytest.raises(ValueError, match=r"shard-00001\.safetensors: it is missing"):
        read_store(tmp_path)


def test_another_tokenizer_is_refused_and_nothing_is_touched(tmp_path):
    fill(tmp_path)
    before = contents(tmp_path)
    other = Header(**{**vars(HEADER), "fingerprint": "b" * 64})
    with pytest.raises(ValueError, match="another tokenizer"):
        fill(tmp_path, header=other)
    with pytest.raises(ValueError, match="give the tokenizer that made them"):
        read_store(tmp_path).check_fingerprint(other.fingerprint)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("change", [{"keys": [*KEYS, "new.png"]}, {"shard_items": 3}, {"keys": KEYS[:2]}])
def test_other_items_or_another_cut_are_refused(tmp_path, change):
    fill(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="give a new folder"):
        fill(tmp_path, **change)
    assert contents(tmp_path) == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match="holds other files"):
        fill(tmp_path)
    assert contents(tmp_path) == {"thesis.tex": b"x"}


def test_a_shard_of_failures_alone_is_a_shard(tmp_path):
    fill(tmp_path, compute=lambda key: Failure(key, "gone"))
    store = read_store(tmp_path)
    assert list(store) == []
    assert [failure.key for failure in store.failures] == sorted(KEYS)


def test_codes_outside_their_codebook_are_not_written(tmp_path):
    item = make_item("a")
    item.levels[0].flat[0] = 65_536
    with pytest.raises(ValueError, match="a: level 0 has codes outside 0 to 65535"):
        fill(tmp_path, keys=["a"], compute=lambda _: item)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format_version": 1}'])
@pytest.mark.parametrize("name", ["index.json", "shard-00000.json"])
def test_a_damaged_json_file_is_named(tmp_path, name, text):
    fill(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=name):
        read_store(tmp_path) if name == "index.json" else fill(tmp_path)


@pytest.mark.parametrize(
    ("keys", "size", "message"),
    [([], 2, "no items"), (["a", "a"], 2, "twice: a"), (["a"], 0, "at least one item, got 0")],
)
def test_a_plan_that_cannot_be(keys, size, message):
    with pytest.raises(ValueError, match=message):
        plan_shards(keys, size)


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere is not a token store"):
        read_store(tmp_path / "nowhere")
