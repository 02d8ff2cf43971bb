"""The command itself: errors in one line, sub-commands, inspect and list."""

import os
import subprocess
import sys

import pytest

from signaltok.cli import list as list_command
from signaltok.cli.main import COMMANDS, main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert f"usage: signaltok {name}" in capsys.readouterr().out


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


def test_a_misspelt_command_is_a_wrong_call(capsys):
    with pytest.raises(SystemExit) as end:
        main(["tokenise"])
    assert end.value.code == 2
    assert "tokenize" in capsys.readouterr().err


def test_an_error_shows_its_origin_only_when_asked(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(ValueError, match="there is no folder"):
        main(["inspect", str(tmp_path / "nowhere"), "--traceback"])


def test_inspect_an_exported_tokenizer(run_folder, tmp_path, capsys):
    assert main(["export", str(run_folder), str(tmp_path / "out")]) == 0
    assert main(["inspect", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    for part in ("exported tokenizer", "4×4", "0.2902", "FiniteScalarQuantizer", "usage 96.0%", "1 dead of 25"):
        assert part in text


def test_inspect_a_run_before_and_after_its_export(run_folder, capsys):
    assert main(["inspect", str(run_folder)]) == 0
    text = capsys.readouterr().out
    assert "signaltok export" in text
    assert "best.ckpt, last.ckpt" in text
    assert "21.25" in text
    assert main(["export", str(run_folder)]) == 0
    assert main(["inspect", str(run_folder)]) == 0
    assert "fingerprint" in capsys.readouterr().out


def test_inspect_a_store(exported, pictures, tmp_path, capsys):
    (pictures / "bad.png").write_bytes(b"")
    assert main(["tokenize", str(exported), str(pictures), "--out", str(tmp_path / "tokens")]) == 0
    capsys.readouterr()
    assert main(["inspect", str(tmp_path / "tokens")]) == 0
    text = capsys.readouterr().out
    for part in ("token store", "every hash holds", "bad.png", "tokens seen"):
        assert part in text


@pytest.mark.parametrize("name", ["model.safetensors", "codebooks.safetensors"])
def test_inspect_finds_damage(exported, capsys, name):
    path = exported / name
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert main(["inspect", str(exported)]) == 1
    assert name in capsys.readouterr().err


def test_inspect_of_something_else(pictures, capsys):
    assert main(["inspect", str(pictures)]) == 1
    assert "neither a run" in capsys.readouterr().err


def test_list_shows_parts_and_experiments(capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for name in ("ConvEncoder", "ConvDecoder", "FiniteScalarQuantizer", "SquaredError"):
        assert name in text


def test_the_notes_of_an_experiment(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text("# @package _global_\n# paper: A Paper, table 1\n# expected: 28.6 dB\n\nseed: 0\n# later: no\n")
    assert list_command.read_notes(path) == {"paper": "A Paper, table 1", "expected": "28.6 dB"}


def test_stdout_that_is_closed_early_is_no_error():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = "from signaltok.cli.main import main; import sys; sys.exit(main(['list']))"
    command = f'{sys.executable} -c "{program}" | head -c 1 > /dev/null'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stderr == ""
