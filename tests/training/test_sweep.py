"""Sweeps: what is complete is known and not run again; every launcher and search composes."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import open_dict
from tiny_runs import CONV, ROOT, TINY, composed

from signaltok.cli.main import main
from signaltok.training.assemble import build_tokenizer, known_metrics
from signaltok.training.config.check import check
from signaltok.training.config.identity import config_hash
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.config.schema import TrainConfig
from signaltok.training.sweep.finished import figure, finished_run
from signaltok.training.sweep.trial import TrialError, link, run_trial


@pytest.mark.parametrize(
    "override",
    ["task_name=other", "tags=[x]", "logger=tensorboard", "trainer.max_time='00:01:00:00'", "run.report=true",
     "callbacks.collapse.after=0.5", "metric_for_sweep=val/psnr"],
)  # fmt: skip
def test_places_and_looks_do_not_change_the_hash(tiny, override):
    assert config_hash(tiny(folder="one")) == config_hash(tiny(override, folder="two"))


@pytest.mark.parametrize(
    "override",
    ["seed=1", "trainer.max_steps=5", "optimization.learning_rate=1e-3", "data.root=elsewhere", "run.checkpoint=last",
     "callbacks.weight_averaging=null", "quantizer.update.decay=0.9"],
)  # fmt: skip
def test_what_changes_the_run_changes_the_hash(tiny, override):
    assert config_hash(tiny()) != config_hash(tiny(override))


def a_run(folder: Path, identity: str, summary: dict | None) -> Path:
    folder.mkdir(parents=True)
    (folder / "provenance.json").write_text(json.dumps({"config_hash": identity}))
    if summary is not None:
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def test_the_newest_complete_run_with_the_hash_is_found(tmp_path):
    old = a_run(tmp_path / "runs/old", "a", {"val/psnr": 1.0})
    new = a_run(tmp_path / "multiruns/sweep/0", "a", {"val/psnr": 2.0})
    a_run(tmp_path / "multiruns/sweep/1", "a", None)
    a_run(tmp_path / "multiruns/sweep/2", "b", {"val/psnr": 3.0})
    os.utime(old / "summary.json", (1, 1))
    assert finished_run(tmp_path, "a") == new
    assert finished_run(tmp_path, "c") is None
    assert figure(new, "val/psnr") == 2.0
    with pytest.raises(ValueError, match="has no val/ssim; it has val/psnr"):
        figure(new, "val/ssim")


def test_a_link_shows_a_complete_run_under_the_trial_s_number(tmp_path):
    complete = a_run(tmp_path / "multiruns/first/3", "a", {})
    trial = tmp_path / "multiruns/second/0"
    trial.mkdir(parents=True)
    link(trial, complete)
    (tmp_path / "multiruns").rename(tmp_path / "moved")
    assert (tmp_path / "moved/second/0/summary.json").is_file()
    assert finished_run(tmp_path, "a") is None


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local", "submitit_slurm"])
def test_every_launcher_composes(launcher):
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", [f"hydra/launcher={launcher}", "experiment=image_fsq"], return_hydra_config=True)
    assert launcher.removeprefix("submitit_") in config.hydra.launcher._target_.lower()


def test_sweeps_that_start_in_one_second_have_a_folder_each(monkeypatch):
    class Clock(datetime):
        microsecond_of_call = iter(range(7, 100))

        @classmethod
        def now(cls):
            return cls(2026, 1, 2, 3, 4, 5, next(cls.microsecond_of_call))

    monkeypatch.setattr("hydra.core.utils.datetime", Clock)
    prepare()
    folders = []
    for _ in range(2):
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            config = compose("train", ["experiment=image_fsq", "paths.log_dir=runs"], return_hydra_config=True)
        asked = [str(config.hydra.sweep.dir) for _ in range(3)]
        assert len(set(asked)) == 1, "all trials of a sweep lie in one folder"
        folders += asked[:1]
    assert len(set(folders)) == 2
    assert all(folder.startswith("runs/train/multiruns/2026-01-02_03-04-05_") for folder in folders)


def test_the_search_names_keys_that_exist_and_a_metric_that_the_run_gives():
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", ["sweep=codebook"], return_hydra_config=True)
    assert "Optuna" in config.hydra.sweeper._target_ and config.hydra.sweeper.direction == "maximize"
    params = dict(config.hydra.sweeper.params)
    assert params
    choices = {"quantizer.codebook_size": "256", "quantizer.codebook_dim": "16", "quantizer.update.decay": "0.95",
               "objective.weights.commitment": "1.0"}  # fmt: skip
    assert choices.keys() == params.keys()
    overrides = [f"{name}={value}" for name, value in choices.items()]
    settings = plain(composed("experiment=quickstart", "paths.output_dir=run", "sweep=codebook", *overrides))
    check(settings, TrainConfig)
    assert settings["metric_for_sweep"] in known_metrics(settings, build_tokenizer(settings))


def test_what_is_wrong_with_a_trial_is_said_without_a_trace(tmp_path, monkeypatch, capsys):
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        overrides = ["experiment=image_fsq", "+encoder.strid=4", f"paths.log_dir={tmp_path}"]
        config = compose("train", overrides, return_hydra_config=True)
    folder = tmp_path / "3"
    folder.mkdir()
    with open_dict(config):
        config.hydra.runtime.output_dir, config.hydra.job.num = str(folder), 3
    monkeypatch.setattr(HydraConfig, "get", lambda: config.hydra)
    with open_dict(config):
        config.paths.output_dir = str(folder)
        task = config.copy()
        del task["hydra"]
    with pytest.raises(TrialError, match=r"trial 3 \(experiment=image_fsq .*\): encoder\.strid is not an argument"):
        run_trial(task)
    assert issubclass(TrialError, CompactHydraException)  # Hydra prints these as one line
    assert capsys.readouterr().err.startswith("error: trial 3 (") and not folder.exists()


SWEEP = (
    *TINY, *CONV, "experiment=image_fsq", "optimization.learning_rate=1e-3,2e-3,3e-3", "seed=0,1,2",
    "trainer.max_steps=4", "task_name=sweep", "quantizer.levels=[5,5,3]",
)  # fmt: skip


@pytest.mark.slow
def test_a_sweep_killed_in_the_middle_runs_only_what_is_missing(tmp_path, capfd):
    command = [sys.executable, str(ROOT / "train.py"), "-m", *SWEEP, f"paths.log_dir={tmp_path}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tokenizers"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    limit = time.monotonic() + 300
    while len(list(tmp_path.glob("sweep/multiruns/*/*/summary.json"))) < 4:
        assert process.poll() is None and time.monotonic() < limit, "the sweep did not get to its fourth trial"
        time.sleep(0.2)
    time.sleep(2)  # into the fifth
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {path.parent for path in tmp_path.glob("sweep/multiruns/*/*/summary.json")}
    before = {path: (path / "summary.json").stat().st_mtime_ns for path in done}
    assert 4 <= len(done) < 9
    subprocess.run(command, env=environment, check=True)
    assert capfd.readouterr().err.count("is complete already") == len(done)
    assert {path: (path / "summary.json").stat().st_mtime_ns for path in done} == before
    new = max(tmp_path.glob("sweep/multiruns/*"))
    trials = [new / str(number) for number in range(9)]
    assert all((trial / "summary.json").is_file() for trial in trials)
    assert {trial.resolve() for trial in trials if trial.is_symlink()} == done
    assert sum(not trial.is_symlink() for trial in trials) == 9 - len(done)
    assert main(["compare", str(new)]) == 0
    out = capfd.readouterr().out
    assert all(rate in out for rate in ("0.001", "0.002", "0.003")) and out.count("±") >= 3
