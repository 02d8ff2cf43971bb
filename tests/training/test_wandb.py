"""A run that logs to Weights & Biases offline, breaks off and is resumed; all of it read back from the files."""

import csv
import itertools
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from PIL import Image
from tiny_runs import CONV, QUANTIZERS, TINY, composed
from wandb_file import history, merged, of_kind
from wandb_server import serving

import signaltok
from signaltok.metrics.evaluation import Evaluation
from signaltok.reports.samples import comparison
from signaltok.training.config.resolve import plain
from signaltok.training.module import TokenizerModule
from signaltok.training.run import resumed_settings, run, train
from signaltok.training.run_logger import count_histograms
from signaltok.training.start import read_tokenizer
from signaltok.training.wandb_run import WandbRun

VARIABLES = ("API_KEY", "BASE_URL", "ENTITY", "IDENTITY_TOKEN_FILE", "MODE", "PROJECT", "RUN_ID", "SWEEP_ID")


def isolate(patch: pytest.MonkeyPatch, home: Path) -> None:
    """A wandb that knows nobody and writes nothing outside of home."""
    wandb.teardown()
    for name in VARIABLES:
        patch.delenv(f"WANDB_{name}", raising=False)
    for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR"):
        patch.setenv(f"WANDB_{name}", str(home / name))
    patch.setenv("HOME", str(home))
    patch.setenv("NETRC", str(home / "netrc"))


@dataclass(frozen=True)
class Logged:
    folder: Path
    settings: dict[str, Any]
    parts: list[Path]  # the .wandb files, in order of time
    figures: dict[str, float]
    shown: list[tuple[str, Evaluation, int]]
    output: list[tuple[str, str]]


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """Six steps with a validation and a checkpoint every three; it breaks off in the sixth and is resumed."""
    home = tmp_path_factory.mktemp("logged")
    folder = home / "run"
    settings = plain(
        composed(
            *TINY, *CONV, *QUANTIZERS["vq"], "logger=many", "logger.wandb.offline=true", "logger.wandb.pictures=1",
            "trainer.max_steps=6", "trainer.val_check_interval=3", "callbacks.model_checkpoint.every_n_train_steps=3",
            "tags=[one,two]", f"paths.output_dir={folder}", f"paths.log_dir={home}",
        )
    )  # fmt: skip
    shown, output = [], []
    start, show = TokenizerModule.on_train_batch_start, WandbRun.show_evaluation

    def stop(module, batch, batch_idx):
        if module.batches_seen == 5:
            raise RuntimeError("the machine went down")
        return start(module, batch, batch_idx)

    def note(logger, split, evaluation, step):
        shown.append((split, evaluation, step))
        show(logger, split, evaluation, step)

    def go(settings):
        out, error = StringIO(), StringIO()
        try:
            with redirect_stdout(out), redirect_stderr(error):
                return run(settings, command=["python", "train.py"], overrides=[])
        finally:
            output.append((out.getvalue(), error.getvalue()))

    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, home)
        patch.setattr(WandbRun, "show_evaluation", note)
        with pytest.MonkeyPatch.context() as once:
            once.setattr(TokenizerModule, "on_train_batch_start", stop)
            with pytest.raises(RuntimeError, match="the machine went down"):
                go(settings)
        figures = go(resumed_settings(folder, []))
        wandb.teardown()  # the last records are on the disk when the service has ended
    return Logged(folder, settings, sorted(folder.glob("wandb/offline-run-*/run-*.wandb")), figures, shown, output)


def test_history_is_metrics_csv_also_over_a_resume(logged):
    with (logged.folder / "metrics.csv").open() as file:
        written = {int(row.pop("step")): {k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)}
    assert sorted(written) == [1, 2, 3, 4, 5, 6]
    read: dict[int, dict[str, float]] = {}
    for part in logged.parts:
        for row in history(part):
            numbers = {name: value for name, value in row.items() if "/" in name and not isinstance(value, dict)}
            read.setdefault(row["step"], {}).update(numbers)
    assert read == written
    assert {"train/loss", "val/psnr"} <= read[3].keys()
    steps = [list(dict.fromkeys(row["step"] for row in history(part))) for part in logged.parts]
    assert steps == [[1, 2, 3, 4, 5], [4, 5, 6]]
    first, second = ({row["step"]: row for row in history(part) if "train/loss" in row} for part in logged.parts)
    for step in (4, 5):
        assert first[step]["train/loss"] == second[step]["train/loss"], "what is logged again is the same"


def test_charts_use_the_batches_of_the_run(logged):
    for part in logged.parts:
        (every,) = [metric for metric in of_kind(part, "metric") if metric.glob_name == "*"]
        assert every.step_metric == "step"


def test_the_resumed_run_is_the_same_one(logged):
    runs = [of_kind(part, "run")[0] for part in logged.parts]
    assert [r.run_id for r in runs] == [logged.settings["logger"]["wandb"]["id"]] * 2
    assert [r.resume for r in runs] == [True, True]
    assert [list(r.tags) for r in runs] == [["one", "two"]] * 2
    assert [r.project for r in runs] == ["signaltok"] * 2
    assert [of_kind(part, "exit")[0].exit_code for part in logged.parts] == [1, 0]


def test_config_is_the_whole_of_the_settings_and_where_they_come_from(logged):
    config = merged(logged.parts[0], "config")
    provenance = json.loads((logged.folder / "provenance.json").read_text())
    assert config.pop("provenance") == {
        "command": "python train.py",
        "commit": provenance["git"]["commit"],
        "dirty": provenance["git"]["dirty"],
        "data_fingerprint": provenance["data"]["fingerprint"],
    }
    config.pop("_wandb", None)
    assert config == json.loads(json.dumps(logged.settings))
    assert merged(logged.parts[1], "config")["run"]["resume"] == str(logged.folder)


def test_pictures_lie_on_the_disk_as_they_were_shown(logged):
    assert [(split, step) for split, _, step in logged.shown] == [("val", 3), ("val", 6)]
    for part, (_, evaluation, step) in zip(logged.parts, logged.shown, strict=True):
        (media,) = [row["val/pictures"] for row in history(part) if "val/pictures" in row]
        (at,) = [row["step"] for row in history(part) if "val/pictures" in row]
        assert (at, media["_type"]) == (step, "image-file")
        assert evaluation.pictures is not None and len(evaluation.pictures.keys) == 2
        picture = np.asarray(Image.open(part.parent / "files" / media["path"]))
        assert np.array_equal(picture, comparison(evaluation.pictures, limit=1))


def test_histograms_are_the_code_counts(logged):
    for part, (_, evaluation, _) in zip(logged.parts, logged.shown, strict=True):
        (row,) = [row for row in history(part) if "val/code_counts_0" in row]
        hits = evaluation.counts[0].tolist()
        assert row["val/code_counts_0"] == {"_type": "histogram", "values": hits, "bins": list(range(17))}
        assert row["val/sorted_counts_0"]["values"] == sorted(hits, reverse=True)
        assert sum(hits) == 2 * 2 * 2


def test_figures_are_the_summary(logged):
    summary = merged(logged.parts[1], "summary")
    assert {name: summary[name] for name in logged.figures} == logged.figures
    assert "test/psnr" in logged.figures


def test_the_tokenizer_is_an_artifact(logged):
    assert not of_kind(logged.parts[0], "artifact")
    (artifact,) = of_kind(logged.parts[1], "artifact")
    assert (artifact.type, artifact.name) == ("tokenizer", f"tokenizer-{logged.settings['logger']['wandb']['id']}")
    assert list(artifact.aliases) == ["latest"]
    places = {entry.path: Path(entry.local_path) for entry in artifact.manifest.contents}
    assert {"config.json", "model.safetensors", "codebooks.safetensors", "README.md"} <= places.keys()
    assert all(place.is_relative_to(logged.folder) for place in places.values())
    folder = places["config.json"].parent
    fingerprint = json.loads((folder / "config.json").read_text())["fingerprint"]
    assert json.loads(artifact.metadata) == {**logged.figures, "fingerprint": fingerprint}
    assert f"{logged.figures['test/psnr']:.4g}"[:4] in (folder / "README.md").read_text()
    one, two = signaltok.load(folder), read_tokenizer(logged.folder, "best")
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_one_line_says_how_to_send_it_and_wandb_itself_is_quiet(logged):
    for out, error in logged.output:
        (line,) = [line for line in out.splitlines() if "wandb" in line]
        assert line.startswith(f"wandb   offline in {logged.folder}/wandb/offline-run-")
        assert line.endswith(
            f"send it with: wandb sync {logged.folder}/wandb/*-{logged.settings['logger']['wandb']['id']}"
        )
        assert "wandb" not in error


def test_wandb_sync_makes_one_run_of_both_parts(logged, tmp_path, monkeypatch):
    isolate(monkeypatch, tmp_path)
    with serving() as server:
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        parts = [str(part.parent) for part in reversed(logged.parts)]
        command = [sys.executable, "-m", "wandb", "sync", *parts]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert server.known == {logged.settings["logger"]["wandb"]["id"]}
    rows = [server.history[line] for line in sorted(server.history)]
    assert sorted(server.history) == list(range(len(rows))) == [row["_step"] for row in rows]
    assert [row["step"] for row in rows] == [row["step"] for part in logged.parts for row in history(part)]
    assert len(server.artifacts) == 1


def test_an_online_run_says_where_it_is(tiny, tmp_path, monkeypatch, capsys):
    isolate(monkeypatch, tmp_path)
    with serving() as server:
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        settings = tiny("trainer.max_steps=2", "logger=wandb", "logger.wandb.finish_timeout=60")
        run(settings, command=["test"], overrides=[])
        wandb.teardown()
    name = settings["logger"]["wandb"]["id"]
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wandb ")]
    assert told == [f"wandb   {server.url}/us/signaltok/runs/{name}"]
    assert [row["step"] for row in server.history.values() if "train/loss" in row] == [1, 2]
    assert any(c.get("encoder", {}).get("value") == settings["encoder"] for c in server.configs)
    assert len(server.artifacts) == 1


def test_a_server_that_takes_no_artifact_does_not_fail_the_run(tiny, tmp_path, monkeypatch, capsys):
    isolate(monkeypatch, tmp_path)
    with serving() as server:
        server.forgetful = True
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        figures = run(
            tiny("trainer.max_steps=1", "logger=wandb", "logger.wandb.finish_timeout=60"),
            command=["test"],
            overrides=[],
        )
        wandb.teardown()
    assert figures["train/steps"] == 1 and not server.artifacts
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wandb ")]
    assert len(told) == 2 and " was not logged: " in told[1]


def test_tensorboard_holds_the_same(logged):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(logged.folder / "tensorboard")).Reload()
    with (logged.folder / "metrics.csv").open() as file:
        written = {int(row["step"]): float(row["val/psnr"]) for row in csv.DictReader(file) if row["val/psnr"]}
    assert {event.step: event.value for event in events.Scalars("val/psnr")} == pytest.approx(written)
    assert [(e.step, e.value) for e in events.Scalars("test/psnr")] == [(6, pytest.approx(logged.figures["test/psnr"]))]
    assert [event.step for event in events.Images("val/pictures")] == [3, 6]
    last = events.Images("val/pictures")[-1]
    assert logged.shown[-1][1].pictures is not None
    assert (last.height, last.width) == comparison(logged.shown[-1][1].pictures, limit=8).shape[:2]
    counts = events.Histograms("val/code_counts_0")[-1].histogram_value
    assert counts.bucket == logged.shown[-1][1].counts[0].tolist()
    assert "python train.py" in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()


def test_without_log_tokenizer_there_is_no_artifact(tiny, tmp_path, monkeypatch):
    isolate(monkeypatch, tmp_path)
    run(
        tiny("trainer.max_steps=1", "logger=wandb", "logger.wandb.offline=true", "logger.wandb.log_tokenizer=false"),
        command=["test"], overrides=[],
    )  # fmt: skip
    wandb.teardown()  # the last records are on the disk when the service has ended
    (part,) = tmp_path.glob("run/wandb/offline-run-*/run-*.wandb")
    assert not of_kind(part, "artifact")
    assert merged(part, "summary")["train/steps"] == 1
    assert not list(tmp_path.glob("run/wandb/**/model.safetensors"))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, r"nobody is logged in .*logger\.wandb\.offline=true .*`wandb login`"),
        ({"WANDB_API_KEY": "short"}, r"cannot be used: WANDB_API_KEY invalid.*logger\.wandb\.offline=true"),
        (
            {"WANDB_API_KEY": "a" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"},
            r"cannot be used: .+[^.]\. Check the network.*logger\.wandb\.offline=true",
        ),
    ],
)
def test_without_login_or_network_nothing_is_begun(tmp_path, monkeypatch, variables, message):
    isolate(monkeypatch, tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    overrides = ["logger=wandb", "logger.wandb.init_timeout=1"]
    places = (f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}", "task_name=train")
    with pytest.raises(ValueError, match=message):
        train(composed(*TINY, *CONV, *places, *overrides), command=["python", "train.py"], overrides=overrides)
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())
    assert not (tmp_path / "latest").exists()
    wandb.teardown()


def test_an_upload_that_takes_too_long_does_not_hold_the_run(tiny, capsys):
    node = {k: v for k, v in tiny("logger=wandb")["logger"]["wandb"].items() if k != "_target_"}
    logger = WandbRun(**node)

    class Slow:
        dir, offline, disabled, id = "/runs/wandb/run-x/files", False, False, "x"

        def finish(self, exit_code):
            raise TimeoutError

    logger._experiment = Slow()  # type: ignore[assignment]
    logger.finalize("failed")
    assert capsys.readouterr().out.splitlines() == [
        "wandb   the upload is not complete; send the rest with: wandb sync --include-online /runs/wandb/run-x"
    ]


def test_a_tokenizer_without_codes_shows_its_pictures(tiny, tmp_path, monkeypatch):
    isolate(monkeypatch, tmp_path)
    options = ("quantizer=identity", "logger=many", "logger.wandb.offline=true", "run.evaluate=false")
    run(tiny("trainer.max_steps=1", *options), command=["test"], overrides=[])
    wandb.teardown()
    (part,) = tmp_path.glob("run/wandb/offline-run-*/run-*.wandb")
    shown = {name for row in history(part) for name, value in row.items() if isinstance(value, dict)}
    assert shown == {"val/pictures"}
    assert len(of_kind(part, "artifact")) == 1


def test_large_codebooks_share_bins():
    hits = torch.arange(1000)
    found = count_histograms("val", (hits, torch.tensor([3, 0, 5])))
    sums, edges = found["val/code_counts_0"]
    assert (len(sums), len(edges)) == (512, 513)
    assert [int(hits[a:b].sum()) for a, b in itertools.pairwise(edges)] == sums.tolist()
    assert found["val/sorted_counts_0"][0].sum() == hits.sum()
    assert found["val/sorted_counts_1"][0].tolist() == [5, 3, 0]
    assert found["val/code_counts_1"][1].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("logger.wandb.id=a/b", r"logger\.wandb\.id is 'a/b'"),
        ("logger.wandb.pictures=-1", r"logger\.wandb\.pictures is -1"),
        ("logger.wandb.init_timeout=0", r"logger\.wandb\.init_timeout is 0"),
        ("logger.wandb.finish_timeout=-1", r"logger\.wandb\.finish_timeout is -1"),
    ],
)
def test_values_that_do_not_fit_are_named(tmp_path, override, message):
    config = composed(
        *TINY, *CONV, f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}", "logger=wandb", override
    )
    with pytest.raises(ValueError, match=message):
        train(config, command=["test"], overrides=[])
    assert not (tmp_path / "run").exists()
