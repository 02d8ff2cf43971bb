"""What a damaged store, a kill and a second writer get: one typed error with the place, and nothing lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save
from stores import HEADER, KEYS, compute, contents, fill, make_item

import signaltok.files
from signaltok.store.index import read_store
from signaltok.store.plan import Header
from signaltok.store.verify import compare_codes, sample_of, verify_store
from signaltok.streams.errors import TokenDataError


def verify(folder):
    seen = []
    verify_store(folder, seen=seen.append)
    return seen


def rewrite(folder, number, change):
    """Change the tensors of a shard, and its recorded hash, as a foreign writer would."""
    import hashlib

    path = folder / f"shard-0000{number}.safetensors"
    tensors = {name: tensor.copy() for name, tensor in load_file(path).items()}
    change(tensors)
    content = save(tensors)
    path.write_bytes(content)
    for name in (path.with_suffix(".json"), folder / "index.json"):
        told = json.loads(name.read_text())
        for entry in (told, *told.get("shards", [])):
            if entry.get("file") == path.name:
                entry.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        name.write_text(json.dumps(told, indent=2) + "\n")


def test_a_whole_store_verifies_and_shows_every_item(tmp_path):
    fill(tmp_path)
    assert [item.key for item in verify(tmp_path)] == sorted(set(KEYS) - {"broken.png"})


def test_a_kill_at_any_write_and_the_same_command_give_the_unbroken_store(tmp_path, monkeypatch):
    """The kill comes before the n-th file has its name; what is half written stays, as after a signal 9."""
    fill(tmp_path / "unbroken")

    class KillError(BaseException):
        pass

    flush, unlink = signaltok.files._flush, Path.unlink
    for last in range(7):  # three shards, three side files, the index
        folder, written = tmp_path / f"killed{last}", []

        def flush_or_die(path, written=written, last=last):
            if len(written) == last:
                raise KillError
            written.append(path)
            flush(path)

        monkeypatch.setattr(signaltok.files, "_flush", flush_or_die)
        monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
        with pytest.raises(KillError):
            fill(folder)
        monkeypatch.setattr(signaltok.files, "_flush", flush)
        monkeypatch.setattr(Path, "unlink", unlink)
        assert any(path.name.endswith(".partial") for path in folder.iterdir())
        with pytest.raises(TokenDataError if last > 1 else ValueError):
            read_store(folder)
        fill(folder)
        assert contents(folder) == contents(tmp_path / "unbroken")


KILLED = """
import sys, time
sys.path[:0] = [{here!r}, {source!r}]
from pathlib import Path
from stores import compute, fill
def slowly(key):
    time.sleep(0.01)
    return compute(key)
keys = [f"{{n:03d}}.png" for n in range(60)]
fill(Path(sys.argv[1]), keys=keys, shard_items=3, compute=slowly)
"""


@pytest.mark.slow
def test_ten_kills_by_signal_at_random_moments(tmp_path):
    source = Path(signaltok.files.__file__).parents[1]
    program = KILLED.format(here=str(Path(__file__).parent), source=str(source))
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "unbroken")], check=True)
    moments = random.Random(0)
    for number in range(10):
        folder = tmp_path / f"killed{number}"
        process = subprocess.Popen([sys.executable, "-c", program, str(folder)])
        while not folder.exists():
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
        assert contents(folder) == contents(tmp_path / "unbroken")


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path):
    def second(key):
        with pytest.raises(TokenDataError, match="another process is writing this store") as caught:
            fill(tmp_path / "tokens")
        assert caught.value.place == str(tmp_path / "tokens")
        return compute(key)

    fill(tmp_path / "tokens", compute=second)
    fill(tmp_path / "alone")
    assert contents(tmp_path / "tokens") == contents(tmp_path / "alone")


def test_a_lock_whose_holder_has_died_holds_nobody(tmp_path):
    (tmp_path / ".lock").write_text("")
    fill(tmp_path)
    assert ".lock" not in contents(tmp_path)


@pytest.mark.parametrize(
    ("damage", "place", "message"),
    [
        (lambda f: os.truncate(f / "shard-00001.safetensors", 100), "shard-00001.safetensors", "it is cut: 100 of"),
        (lambda f: (f / "shard-00001.json").unlink(), "shard-00001.json", "missing"),
        (lambda f: (f / "shard-00002.safetensors").unlink(), "shard-00002.safetensors", "missing"),
        (lambda f: (f / "index.json").write_text("{"), "index.json", "damaged"),
        (
            lambda f: rewrite(f, 0, lambda tensors: tensors["codes.1"].__setitem__(0, 65_537)),
            "shard-00000.safetensors",
            "level 1 has the code 65537, its codebook has 0 to 65536",
        ),
        (
            lambda f: rewrite(f, 0, lambda tensors: tensors["shape.0"].__iadd__(1)),
            "shard-00000.safetensors",
            "not a shard of a token store",
        ),
        (
            lambda f: rewrite(f, 2, lambda tensors: tensors["key"].__setitem__(0, ord("z"))),
            "shard-00002.safetensors",
            "its keys are not those that were planned",
        ),
    ],
)
def test_damage_is_one_typed_error_with_the_place(tmp_path, damage, place, message):
    fill(tmp_path)
    damage(tmp_path)
    with pytest.raises(TokenDataError, match=message) as caught:
        verify(tmp_path)
    assert caught.value.place == str(tmp_path / place)


def test_a_flipped_bit_of_any_byte_is_found_and_mended(tmp_path):
    fill(tmp_path)
    before = contents(tmp_path)
    path = tmp_path / "shard-00001.safetensors"
    for place in np.linspace(0, len(before[path.name]) - 1, 20).astype(int).tolist():
        changed = bytearray(before[path.name])
        changed[place] ^= 4
        path.write_bytes(changed)
        with pytest.raises(TokenDataError, match="it is damaged") as caught:
            verify(tmp_path)
        assert caught.value.place == str(path)
    assert next(iter(read_store(tmp_path))).key == "a/1.png"  # what is whole can still be read
    fill(tmp_path)
    assert contents(tmp_path) == before


def test_an_index_that_does_not_follow_from_the_side_files_is_named(tmp_path):
    fill(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    index["items"] += 1
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(TokenDataError, match="not what follows from the side files"):
        verify(tmp_path)


def test_a_machine_that_gives_other_codes_for_the_built_in_signals_is_refused(tmp_path):
    ours = replace(HEADER, probe="p" * 64)
    fill(tmp_path, header=ours)
    before = contents(tmp_path)
    assert read_store(tmp_path).header == ours
    with pytest.raises(TokenDataError, match="gives other codes for the built-in signals"):
        fill(tmp_path, header=replace(HEADER, probe="q" * 64))
    assert contents(tmp_path) == before


def test_levels_that_are_not_stored_are_refused():
    with pytest.raises(ValueError, match="level 1 has 68719476736 codes; a store holds levels of 1 to 4294967296"):
        Header(**{**vars(HEADER), "codebook_sizes": (2, 2**36)})


def test_comparing_an_item_with_its_second_encoding():
    item = make_item("a")
    compare_codes(item, make_item("a"), "here")
    other = make_item("a")
    other.levels[1].flat[0] -= 1
    with pytest.raises(TokenDataError, match=rf"here: a encodes .* level 1, 1 of {item.levels[1].size} codes"):
        compare_codes(item, other, "here")
    with pytest.raises(TokenDataError, match="its file now has"):
        compare_codes(item, replace(item, signal_size=(1, 1)), "here")
    assert sample_of(100, 3) == {0, 50, 99} and sample_of(2, 8) == {0, 1} and sample_of(0, 8) == set()
