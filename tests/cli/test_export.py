"""signaltok export: from a run folder to a folder that signaltok.load opens."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import signaltok
from signaltok.cli.main import main


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def weights_equal(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.parametrize(("checkpoint", "seed"), [(None, 0), ("best", 0), ("last", 1)])
def test_exports_the_averaged_weights_of_the_chosen_checkpoint(run_folder, tmp_path, make_tokenizer, checkpoint, seed):
    out = tmp_path / "out"
    choice = [] if checkpoint is None else ["--checkpoint", checkpoint]
    assert main(["export", str(run_folder), str(out), *choice]) == 0
    assert weights_equal(signaltok.load(out), make_tokenizer(seed=seed))


def test_card_counts_and_samples_come_from_the_run(run_folder, tmp_path):
    out = tmp_path / "out"
    assert main(["export", str(run_folder), str(out)]) == 0
    card = (out / "README.md").read_text()
    assert "| test/psnr | 21.25 |" in card
    assert "python train.py experiment=tiny" in card
    assert torch.equal(load_file(out / "codebooks.safetensors")["counts.0"], torch.arange(25))
    assert len(list((out / "samples").iterdir())) == 4


def test_without_out_it_goes_into_the_run_also_through_a_link(run_folder, tmp_path, capsys):
    latest = tmp_path / "latest"
    latest.symlink_to(run_folder.name)
    assert main(["export", str(latest)]) == 0
    assert (run_folder / "tokenizer" / "config.json").is_file()
    assert str(latest / "tokenizer") in capsys.readouterr().out


def test_an_exported_folder_is_replaced_only_by_force(run_folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["export", str(run_folder), str(out)]) == 0
    before = tree(out)
    assert main(["export", str(run_folder), str(out), "--checkpoint", "last"]) == 1
    assert "--force" in capsys.readouterr().err
    assert tree(out) == before
    assert main(["export", str(run_folder), str(out), "--checkpoint", "last", "--force"]) == 0
    assert tree(out)["model.safetensors"] != before["model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]


def test_a_folder_of_something_else_is_never_replaced(run_folder, tmp_path, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    assert main(["export", str(run_folder), str(tmp_path / "home"), "--force"]) == 1
    assert "is not an exported tokenizer" in capsys.readouterr().err
    assert tree(tmp_path / "home") == {"thesis.tex": b"x"}


def test_codebooks_only(run_folder, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["export", str(run_folder), str(out), "--codebooks-only"]
    assert main(arguments) == 0
    assert sorted(tree(out)) == ["codebooks.safetensors"]
    tensors = load_file(out / "codebooks.safetensors")
    assert tensors["decoded.0"].shape == (25, 4)
    assert torch.equal(tensors["counts.0"], torch.arange(25))
    assert main(arguments) == 1
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0


def test_codebooks_of_a_tokenizer_without_codes(tmp_path, make_run, capsys):
    run = make_run(tmp_path / "run", codes=False)
    assert main(["export", str(run), str(tmp_path / "out"), "--codebooks-only"]) == 1
    assert "has no codebooks" in capsys.readouterr().err
    assert main(["export", str(run), str(tmp_path / "out")]) == 0


def damage(path: Path):
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda run: (run / "checkpoints/best.ckpt").unlink(), "has no checkpoint checkpoints/best.ckpt; it has last"),
        (lambda run: [p.unlink() for p in (run / "checkpoints").iterdir()], "it has none"),
        (lambda run: damage(run / "checkpoints/best.ckpt"), "best.ckpt is damaged"),
        (lambda run: damage(run / "code_counts.safetensors"), "code_counts.safetensors is damaged"),
        (lambda run: damage(run / "samples/samples.safetensors"), "samples.safetensors is damaged"),
        (lambda run: (run / "summary.json").write_text("{"), "summary.json is damaged"),
        (lambda run: torch.save({"state_dict": {}}, run / "checkpoints/best.ckpt"), "no tokenizer_description"),
        (lambda run: torch.save(os.getcwd, run / "checkpoints/best.ckpt"), "more than plain data"),
    ],
)
def test_what_is_wrong_with_a_run_is_said_in_one_line(run_folder, tmp_path, capsys, harm, message):
    harm(run_folder)
    assert main(["export", str(run_folder), str(tmp_path / "out")]) == 1
    complaint = capsys.readouterr().err
    assert message in complaint
    assert complaint.startswith("signaltok: ")
    assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_not_there(tmp_path, capsys):
    assert main(["export", str(tmp_path / "nowhere")]) == 1
    assert "there is no run" in capsys.readouterr().err


def test_exported_twice_from_one_checkpoint_has_one_fingerprint(run_folder, tmp_path):
    prints = []
    for name in ("one", "two"):
        assert main(["export", str(run_folder), str(tmp_path / name)]) == 0
        prints.append(json.loads((tmp_path / name / "config.json").read_text())["fingerprint"])
    assert prints[0] == prints[1]


def stand_in(tokenizer, folder, probe):
    """Instead of ONNX, which takes seconds: what it would be held against, and two files."""
    assert probe.shape == (1, 3, 32, 32)
    assert -1 <= float(probe.min()) < float(probe.max()) <= 1
    for name in ("encoder.onnx", "decoder.onnx"):
        (folder / name).write_bytes(b"onnx")
    return folder / "encoder.onnx", folder / "decoder.onnx"


def test_onnx_files_lie_beside_the_rest(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("signaltok.cli.export.write_onnx", stand_in)
    out = tmp_path / "out"
    assert main(["export", str(run_folder), str(out), "--onnx"]) == 0
    assert {"encoder.onnx", "decoder.onnx", "config.json"} <= set(tree(out))
    signaltok.load(out)


def test_nothing_is_exported_where_onnx_gives_other_codes(run_folder, tmp_path, monkeypatch, capsys):
    def disagree(tokenizer, folder, probe):
        raise ValueError("encoder.onnx gives 3 other codes of 64 at level 0")

    monkeypatch.setattr("signaltok.cli.export.write_onnx", disagree)
    assert main(["export", str(run_folder), str(tmp_path / "out"), "--onnx"]) == 1
    assert "3 other codes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
