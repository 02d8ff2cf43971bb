"""signaltok tokenize and detokenize: pictures to codes and back."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import signaltok
from signaltok.cli.main import main
from signaltok.store.index import read_store
from signaltok.streams.grammar import Grammar
from signaltok.streams.vocabulary import read_vocabulary


def tokens_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def tokens(exported, pictures, tmp_path):
    out = tmp_path / "tokens"
    assert main(["tokenize", str(exported), str(pictures), "--out", str(out), "--shard-items", "2"]) == 0
    return out


def test_stored_codes_are_those_of_encode(exported, pictures, tokens):
    tokenizer = signaltok.load(exported)
    items = list(read_store(tokens))
    assert [item.key for item in items] == ["a.png", "sub/b.png", "sub/c.bmp", "sub/c.png"]
    for item in items:
        stack = tokenizer.encode(signaltok.read_image(pictures / item.key)[None])
        np.testing.assert_array_equal(item.levels[0], stack.levels[0][0].numpy())
        assert item.signal_size == stack.signal_size


def test_an_exported_run_will_do(run_folder, pictures, tmp_path):
    assert main(["export", str(run_folder)]) == 0
    assert main(["tokenize", str(run_folder), str(pictures), "--out", str(tmp_path / "tokens")]) == 0
    assert len(read_store(tmp_path / "tokens")) == 4


def test_a_run_that_was_not_exported_says_how(run_folder, pictures, tmp_path, capsys):
    assert main(["tokenize", str(run_folder), str(pictures), "--out", str(tmp_path / "tokens")]) == 1
    assert f"signaltok export {run_folder}" in capsys.readouterr().err


def test_detokenized_pictures_are_those_of_decode(exported, pictures, tokens, tmp_path):
    out = tmp_path / "back"
    assert main(["detokenize", str(exported), str(tokens), "--out", str(out)]) == 0
    names = {"a.png": "a.png", "sub/b.png": "sub/b.png", "sub/c.png": "sub/c.png.png", "sub/c.bmp": "sub/c.bmp.png"}
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.png")) == sorted(names.values())
    tokenizer = signaltok.load(exported)
    for key, name in names.items():
        signal = signaltok.read_image(pictures / key)
        decoded = tokenizer.decode(tokenizer.encode(signal[None]))[0].clamp(-1, 1)
        expected = ((decoded + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(np.asarray(Image.open(out / name)), expected)


def test_pictures_that_stand_there_are_written_over_only_by_force(exported, pictures, tokens, capsys):
    before = (pictures / "a.png").read_bytes()
    arguments = ["detokenize", str(exported), str(tokens), "--out", str(pictures)]
    assert main(arguments) == 1
    assert "2 pictures stand in" in capsys.readouterr().err
    assert (pictures / "a.png").read_bytes() == before
    assert main([*arguments, "--force"]) == 0
    assert (pictures / "a.png").read_bytes() != before


@pytest.mark.parametrize(("device", "message"), [("gpu0", "is no device"), ("cuda:99", "no device cuda:99")])
def test_a_device_that_is_not_there(exported, pictures, tmp_path, capsys, device, message):
    out = tmp_path / "tokens"
    assert main(["tokenize", str(exported), str(pictures), "--out", str(out), "--device", device]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_stopped_run_goes_on_and_gives_the_same_bytes(exported, pictures, tokens):
    before = tokens_of(tokens)
    (tokens / "index.json").unlink()
    (tokens / "shard-00001.json").unlink()
    assert main(["tokenize", str(exported), str(pictures), "--out", str(tokens), "--shard-items", "2"]) == 0
    assert tokens_of(tokens) == before


def test_workers_give_the_same_bytes_and_name_what_cannot_be_read(exported, pictures, tmp_path, capsys):
    (pictures / "empty.png").write_bytes(b"")
    threads = torch.get_num_threads()
    for name, workers in (("one", "1"), ("two", "2")):
        arguments = ["tokenize", str(exported), str(pictures), "--out", str(tmp_path / name), "--workers", workers]
        assert main([*arguments, "--shard-items", "2"]) == 0
        assert "could not read empty.png" in capsys.readouterr().err
    assert tokens_of(tmp_path / "one") == tokens_of(tmp_path / "two")
    assert torch.get_num_threads() == threads
    assert main([*arguments, "--workers", "0"]) == 1
    assert "at least one worker, got 0" in capsys.readouterr().err


def test_a_full_disk_is_named_and_what_was_written_stays(exported, pictures, tmp_path, capsys, monkeypatch):
    out = tmp_path / "tokens"
    arguments = ["tokenize", str(exported), str(pictures), "--out", str(out), "--shard-items", "2"]
    write_bytes = Path.write_bytes

    def full(path, content):
        if "shard-00001" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(arguments) == 1
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert "no space left while writing" in complaint
    assert "shard-00001.safetensors" in complaint
    assert sorted(path.name for path in out.iterdir()) == ["shard-00000.json", "shard-00000.safetensors"]
    monkeypatch.undo()
    assert main(arguments) == 0
    assert len(read_store(out)) == 4


def test_a_stop_by_hand_says_how_to_go_on(exported, pictures, tmp_path, capsys, monkeypatch):
    def stop(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("signaltok.cli.signal_files.read_image", stop)
    assert main(["tokenize", str(exported), str(pictures), "--out", str(tmp_path / "tokens")]) == 130
    assert "goes on where it stopped" in capsys.readouterr().err


def test_unreadable_pictures_are_named_and_the_rest_is_stored(exported, pictures, tmp_path, capsys):
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "sub" / "text.jpg").write_text("not a picture")
    whole = (pictures / "sub" / "c.png").read_bytes()
    (pictures / "truncated.png").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "tokens"
    arguments = ["tokenize", str(exported), str(pictures), "--out", str(out)]
    bad = ["empty.png", "sub/text.jpg", "truncated.png"]
    assert main(arguments) == 0
    complaints = [line for line in capsys.readouterr().err.splitlines() if line.startswith("signaltok: ")]
    assert [line.split(": ")[1] for line in complaints] == [f"could not read {name}" for name in bad]
    store = read_store(out)
    assert [failure.key for failure in store.failures] == bad
    assert all(failure.reason for failure in store.failures)
    assert len(store) == 4
    assert main(arguments) == 0
    again = capsys.readouterr().err
    assert all(f"could not read {name} in an earlier run" in again for name in bad)


def test_exit_1_where_none_could_be_read(exported, tmp_path, capsys):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "x.png").write_bytes(b"x")
    assert main(["tokenize", str(exported), str(folder), "--out", str(tmp_path / "tokens")]) == 1
    error = capsys.readouterr().err
    assert "could not read x.png" in error
    assert "none of the 1 pictures" in error
    assert json.loads((tmp_path / "tokens" / "index.json").read_text())["failures"][0]["key"] == "x.png"


@pytest.mark.parametrize(("folder", "message"), [("empty", "holds no pictures"), ("nowhere", "there is no folder")])
def test_exit_1_for_a_folder_without_pictures(exported, tmp_path, capsys, folder, message):
    (tmp_path / "empty").mkdir()
    assert main(["tokenize", str(exported), str(tmp_path / folder), "--out", str(tmp_path / "tokens")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "tokens").exists()


def test_another_tokenizer_is_refused_by_both(exported, pictures, tokens, make_tokenizer, tmp_path, capsys):
    other = make_tokenizer(seed=7).save(tmp_path / "other")
    before = tokens_of(tokens)
    assert main(["tokenize", str(other), str(pictures), "--out", str(tokens)]) == 1
    assert "another tokenizer" in capsys.readouterr().err
    assert main(["detokenize", str(other), str(tokens), "--out", str(tmp_path / "back")]) == 1
    assert "give the tokenizer that made them" in capsys.readouterr().err
    assert tokens_of(tokens) == before
    assert not (tmp_path / "back").exists()


def test_a_damaged_shard_is_named(exported, tokens, tmp_path, capsys):
    path = tokens / "shard-00001.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert main(["detokenize", str(exported), str(tokens), "--out", str(tmp_path / "back")]) == 1
    assert "shard-00001.safetensors: it is damaged" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()


def test_a_tokenizer_without_codes_names_embed(pictures, make_tokenizer, tmp_path, capsys):
    folder = make_tokenizer(codes=False).save(tmp_path / "continuous")
    assert main(["tokenize", str(folder), str(pictures), "--out", str(tmp_path / "tokens")]) == 1
    assert "embed" in capsys.readouterr().err


def test_a_key_that_leads_out_of_the_folder_is_refused(exported, pictures, tmp_path, capsys):
    from signaltok.cli.tokenize import read_header
    from signaltok.store.index import fill_store
    from signaltok.store.plan import Item

    header = read_header(exported)
    item = Item(key="../evil.png", levels=(np.zeros((1, 1), np.int64),), signal_size=(4, 4))
    fill_store(
        tmp_path / "tokens",
        header,
        [item.key],
        shard_items=1,
        device="cpu",
        compute=lambda _: item,
        advance=lambda _: None,
    )
    assert main(["detokenize", str(exported), str(tmp_path / "tokens"), "--out", str(tmp_path / "back")]) == 1
    assert "outside the folder" in capsys.readouterr().err
    assert not (tmp_path / "evil.png").exists()


PROGRAM = """
import sys
from signaltok.cli.main import main
run, pictures, tokens, back = sys.argv[1:]
assert main(["export", run]) == 0
assert main(["tokenize", run, pictures, "--out", tokens]) == 0
assert main(["detokenize", run, tokens, "--out", back]) == 0
assert main(["inspect", tokens]) == 0
heavy = {"lightning", "pytorch_lightning", "hydra", "omegaconf", "wandb", "matplotlib", "torchvision"}
loaded = sorted(heavy & {name.partition(".")[0] for name in sys.modules})
assert not loaded, loaded
"""


def test_the_commands_import_neither_lightning_nor_hydra(run_folder, pictures, tmp_path):
    arguments = [str(path) for path in (run_folder, pictures, tmp_path / "tokens", tmp_path / "back")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr


def test_verifying_encodes_a_sample_again(exported, pictures, tokens, capsys):
    assert main(["inspect", str(tokens), "--verify", "--sample", "3"]) == 0
    assert "3 files encoded again, all codes equal" in capsys.readouterr().out
    pixels = np.asarray(Image.open(pictures / "a.png")).copy()
    Image.fromarray(255 - pixels).save(pictures / "a.png")
    assert main(["inspect", str(tokens), "--verify"]) == 1
    assert re.search(r"tokens: a\.png encodes to something else now: level 0, \d+ of \d+", capsys.readouterr().err)


def test_verifying_without_the_files_says_what_to_give(exported, pictures, tokens, tmp_path, capsys):
    moved = pictures.rename(tmp_path / "moved")
    assert main(["inspect", str(tokens), "--verify"]) == 1
    assert "the folder of" in (error := capsys.readouterr().err) and "give --folder, or --sample 0" in error
    assert main(["inspect", str(tokens), "--verify", "--folder", str(moved)]) == 0
    assert main(["inspect", str(tokens), "--verify", "--sample", "0"]) == 0
    assert main(["inspect", str(exported), "--verify"]) == 1
    assert "is no token store" in capsys.readouterr().err


def test_another_machine_s_codes_are_not_compared(exported, pictures, tokens, capsys, monkeypatch):
    monkeypatch.setattr("signaltok.cli.verify.probe_hash", lambda *_: "other")
    assert main(["inspect", str(tokens), "--verify"]) == 1
    assert "the built-in signals have other codes here" in capsys.readouterr().err


def test_streams_of_stored_pictures_and_their_texts(exported, pictures, tokens, tmp_path, capsys):
    texts = tmp_path / "texts"
    for key in ("a", "sub/b"):
        (texts / key).parent.mkdir(parents=True, exist_ok=True)
        (texts / f"{key}.txt").write_text(f"this is {key}\n")
    arguments = ["stream", str(tokens), "--out", str(tmp_path / "ids"), "--format", "nanogpt", "--row-ends"]
    assert main([*arguments, "--texts", str(texts)]) == 1
    assert "with the text of sub/c.bmp" in capsys.readouterr().err
    (texts / "sub" / "c.txt").write_text("both")
    assert main([*arguments, "--texts", str(texts)]) == 0
    assert "train: 4 documents" in capsys.readouterr().out
    grammar = Grammar(read_vocabulary(tmp_path / "ids"))
    documents = grammar.parse(np.fromfile(tmp_path / "ids" / "train.bin", "<u2"))
    assert [text.decoded() for text, _ in documents] == ["this is a", "this is sub/b", "both", "both"]
    for item, (_, signal) in zip(read_store(tokens), documents, strict=True):
        np.testing.assert_array_equal(item.levels[0], signal.levels[0])
    assert main(arguments) == 1
    assert "exists; give a new folder" in capsys.readouterr().err


def test_a_stream_brings_rows_from_the_codebooks(exported, tokens, tmp_path, capsys):
    arguments = ["stream", str(tokens), "--out", str(tmp_path / "ids"), "--format", "parquet", "--embedding", "8"]
    assert main(arguments) == 0
    vocabulary = read_vocabulary(tmp_path / "ids")
    rows = load_file(tmp_path / "ids" / "embedding.safetensors")["embedding"]
    assert rows.shape == (vocabulary.padded_size, 8)
    block = vocabulary.blocks["image/0"]
    vectors = load_file(exported / "codebooks.safetensors")["decoded.0"].numpy()
    own = rows[block.offset : block.offset + block.size].numpy()
    gram, theirs = own @ own.T, (vectors - vectors.mean(0)) @ (vectors - vectors.mean(0)).T
    np.testing.assert_allclose(gram / gram.max(), theirs / theirs.max(), atol=1e-4)
    exported.rename(tmp_path / "moved")
    assert main([*arguments[:3], str(tmp_path / "again"), *arguments[4:]]) == 1
    assert "is not where its origin.json says" in capsys.readouterr().err
