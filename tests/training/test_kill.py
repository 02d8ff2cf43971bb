"""A run killed by signal 9 and gone on with equals an unbroken one, to the bit."""

import random
import time
from pathlib import Path

import pytest
from killing import differences, finish, start
from tiny_runs import ADVERSARY

OPTIONS = (
    "trainer.max_steps=60", "trainer.val_check_interval=4", "trainer.log_every_n_steps=2",
    "callbacks.model_checkpoint.every_n_train_steps=3", "quantizer=rvq",
)  # fmt: skip


def whole(settings) -> tuple[Path, float]:
    began = time.monotonic()
    process = start(settings)
    process.join(300)
    assert process.exitcode == 0
    return Path(settings["paths"]["output_dir"]), time.monotonic() - began


def kill_and_finish(settings, moment) -> Path:
    folder = Path(settings["paths"]["output_dir"])
    process = start(settings)
    moment(folder)
    process.kill()
    process.join(60)
    assert process.exitcode == -9, f"the run had ended already, with {process.exitcode}"
    finish(folder)
    assert not list(folder.rglob("*.partial"))
    return folder


@pytest.mark.parametrize("more", [(), pytest.param(ADVERSARY, marks=pytest.mark.slow)], ids=["plain", "adversary"])
def test_one_kill_after_a_checkpoint(tiny, more):
    one, _ = whole(tiny(*OPTIONS, *more, folder="whole"))

    def after_a_checkpoint(folder):
        limit = time.monotonic() + 120
        while not (folder / "checkpoints/last.ckpt").is_file():
            assert time.monotonic() < limit, "no checkpoint came"
            time.sleep(0.001)
        time.sleep(0.1)

    assert differences(one, kill_and_finish(tiny(*OPTIONS, *more, folder="broken"), after_a_checkpoint)) == []


@pytest.mark.slow
@pytest.mark.parametrize(("quantizer", "more"), [("vq", ()), ("rvq", ()), ("vq", ADVERSARY)])
def test_five_kills_at_random_moments(tiny, quantizer, more):
    options = (*OPTIONS, f"quantizer={quantizer}", *more)
    one, seconds = whole(tiny(*options, folder="whole"))
    moments = random.Random(quantizer)
    kills = 0
    while kills < 5:
        wait = moments.uniform(0.0, seconds)

        def at_random(folder, wait=wait):
            limit = time.monotonic() + wait
            while time.monotonic() < limit or not (folder / "config.yaml").is_file():  # before that there is no run
                time.sleep(0.001)

        folder = kill_and_finish(tiny(*options, folder=f"broken{kills}"), at_random)
        assert differences(one, folder) == [], f"killed {wait:.3f} s after the start"
        kills += 1
