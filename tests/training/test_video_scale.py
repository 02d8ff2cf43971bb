"""Whole runs over three axes, at scale: a kill by signal 9 around the inflation, two processes against one."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from killing import differences, finish, logged, start
from tiny_runs import ROOT, VIDEO, VIDEO_ADVERSARY, composed

from signaltok.checkpoint import read_checkpoint
from signaltok.training.config.resolve import plain
from signaltok.training.run import run

STEPS, INFLATED, SAVED = 16, 8, 4
LONG = (
    f"trainer.max_steps={STEPS}", f"trainer.val_check_interval={STEPS}", "run.evaluate=false",
    f"callbacks.model_checkpoint.every_n_train_steps={SAVED}", "logger.csv.flush_every=1",
)  # fmt: skip
SHORT = (
    "trainer.max_steps=6", "trainer.val_check_interval=6", "run.evaluate=false", "optimization.autocast=null",
)  # fmt: skip
WAIT = 900  # seconds until something hangs; both tests take a fraction of it, the machine may be busy


def overrides(folder: Path, *more: str) -> list[str]:
    """Of a run of video_inflated, half of it on pictures, against discriminators of frames and of videos."""
    places = (f"paths.log_dir={folder.parent}", f"paths.root_dir={ROOT}")
    return ["experiment=video_inflated", *VIDEO, *VIDEO_ADVERSARY, "run.pictures_until=0.5", *places, *more]


def settings(folder: Path, *more: str) -> dict:
    return plain(composed(*overrides(folder, *more), f"paths.output_dir={folder}"))


@pytest.mark.slow
def test_a_run_killed_when_its_pictures_became_videos_is_the_unbroken_one_to_the_bit(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    process = start(settings(whole, *LONG))
    process.join(WAIT)
    assert process.exitcode == 0
    process, limit = start(settings(broken, *LONG)), time.monotonic() + WAIT
    while logged(broken) <= INFLATED:  # the last checkpoint is of pictures: what goes on inflates again
        assert time.monotonic() < limit and process.exitcode is None, f"step {INFLATED} was not reached"
        time.sleep(0.001)
    process.kill()
    process.join(60)
    assert process.exitcode == -9 and not (broken / "summary.json").exists()
    assert read_checkpoint(broken / "checkpoints/last.ckpt")["batches_seen"] < STEPS
    finish(broken)
    assert differences(whole, broken) == []


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_two_processes_train_pictures_and_videos_as_one_does(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    words = [*overrides(two, *SHORT, "trainer=ddp_sim", "data.batch_size=2"), f"hydra.run.dir={two}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tokenizers"), "OMP_NUM_THREADS": "1"}
    both = subprocess.Popen([sys.executable, str(ROOT / "train.py"), *words], env=environment)
    run(settings(one, *SHORT, "data.batch_size=4"), command=["test"], overrides=[])
    assert both.wait(WAIT) == 0
    states = [read_checkpoint(folder / "checkpoints/last.ckpt") for folder in (one, two)]
    assert [state["global_step"] for state in states] == [6, 6]
    for name, value in states[0]["current_model_state"].items():
        torch.testing.assert_close(states[1]["current_model_state"][name], value, rtol=0, atol=1e-4, msg=name)
    for a, b in zip(rows(one), rows(two), strict=True):
        for name in ("loss", "perceptual", "motion", "generator", "discriminator"):
            assert float(a[f"train/{name}"]) == pytest.approx(float(b[f"train/{name}"]), rel=1e-3, abs=1e-4), name
