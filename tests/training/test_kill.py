"""A run killed by signal 9 and gone on with equals an unbroken one, to the bit."""

import random
import time
from pathlib import Path

import pytest
from killing import differences, finish, logged, start
from tiny_runs import ADVERSARY, BALANCED

STEPS = 150
OPTIONS = (
    f"trainer.max_steps={STEPS}", "trainer.val_check_interval=8", "trainer.log_every_n_steps=2",
    "callbacks.model_checkpoint.every_n_train_steps=3", "quantizer=rvq",
)  # fmt: skip


def whole(settings) -> Path:
    process = start(settings)
    process.join(300)
    assert process.exitcode == 0
    return Path(settings["paths"]["output_dir"])


def killed(settings, step: int, wait: float) -> bool:
    """Start a run and kill it, `wait` seconds after it has logged the step; whether it was still running."""
    folder = Path(settings["paths"]["output_dir"])
    process = start(settings)
    limit = time.monotonic() + 120
    while not (folder / "config.yaml").is_file() or logged(folder) < step:  # before that there is no run
        assert time.monotonic() < limit and process.exitcode in (None, 0), f"step {step} was not reached"
        time.sleep(0.001)
    time.sleep(wait)
    process.kill()
    process.join(60)
    return process.exitcode == -9


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [(), ADVERSARY, BALANCED],
    ids=["plain", "adversary", "balanced"],
)
def test_one_kill_after_a_checkpoint(tiny, more):
    one = whole(tiny(*OPTIONS, *more, folder="whole"))
    broken = tiny(*OPTIONS, *more, folder="broken")
    folder = Path(broken["paths"]["output_dir"])
    assert killed(broken, 20, 0.0) and (folder / "checkpoints/last.ckpt").is_file()
    finish(folder)
    assert differences(one, folder) == []
    assert not list(folder.rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quantizer", "more"),
    [("vq", ()), ("rvq", ()), ("split", ()), ("parallel", ()), ("vq", ADVERSARY), ("rvq", BALANCED)],
)
def test_five_kills_at_random_moments(tiny, quantizer, more):
    options = (*OPTIONS, f"quantizer={quantizer}", *more)
    one = whole(tiny(*options, folder="whole"))
    moments = random.Random(f"{quantizer}{bool(more)}")
    kills = 0
    for number in range(15):  # a run may end before its kill: that is none
        step, wait = moments.randrange(STEPS + 1), moments.uniform(0.0, 0.3)
        broken = tiny(*options, folder=f"broken{number}")
        if not killed(broken, step, wait):
            continue
        folder = Path(broken["paths"]["output_dir"])
        finish(folder)
        assert differences(one, folder) == [], f"killed {wait:.3f} s after step {step}"
        kills += 1
        if kills == 5:
            return
    raise AssertionError(f"of 15 runs only {kills} could be killed")
