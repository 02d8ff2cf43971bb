import csv
from pathlib import Path

import pytest
import torch

from signaltok.checkpoint import read_checkpoint
from signaltok.training.module import TokenizerModule
from signaltok.training.run import resumed_settings, run

STEPS = ("trainer.max_steps=20", "callbacks.model_checkpoint.every_n_train_steps=10", "run.evaluate=false")


def equal(one, two, path=""):
    assert type(one) is type(two), f"{path}: {type(one)} and {type(two)}"
    if isinstance(one, dict):
        assert one.keys() == two.keys(), f"{path}: {one.keys() ^ two.keys()}"
        for key in one:
            equal(one[key], two[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), path
        for number, (a, b) in enumerate(zip(one, two, strict=True)):
            equal(a, b, f"{path}[{number}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two), f"{path} differs"
    else:
        assert one == two, f"{path}: {one} and {two}"


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("quantizer", "validate_every", "log_every"),
    [
        *[(quantizer, *every) for quantizer in ("vq", "rvq") for every in ((7, 1), (10, 4))],
        *[pytest.param(name, 7, 1, marks=pytest.mark.slow) for name in ("rvq_factorised", "snac", "split", "parallel")],
    ],
)
def test_a_resumed_run_equals_the_unbroken_one_to_the_bit(tiny, monkeypatch, quantizer, validate_every, log_every):
    options = [f"quantizer={quantizer}", f"trainer.val_check_interval={validate_every}", *STEPS]
    options.append(f"trainer.log_every_n_steps={log_every}")
    whole, broken = tiny(*options, folder="whole"), tiny(*options, folder="broken")
    run(whole, command=["test"], overrides=[])

    start = TokenizerModule.on_train_batch_start

    def stop(module, batch, batch_idx):
        if module.batches_seen == 13:
            raise RuntimeError("the machine went down")
        return start(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TokenizerModule, "on_train_batch_start", stop)
        with pytest.raises(RuntimeError, match="the machine went down"):
            run(broken, command=["test"], overrides=[])
    torch.manual_seed(99)
    folder = Path(broken["paths"]["output_dir"])
    assert read_checkpoint(folder / "checkpoints/last.ckpt")["batches_seen"] == 10
    run(resumed_settings(folder, []), command=["test"], overrides=[])

    other = Path(whole["paths"]["output_dir"])
    keys = (
        "state_dict", "current_model_state", "averaging_state", "optimizer_states", "batches_seen", "random_state",
        "global_step",
    )  # fmt: skip
    one, two = (read_checkpoint(f / "checkpoints/last.ckpt") for f in (folder, other))
    for key in keys:
        equal(one[key], two[key], key)
    assert one["batches_seen"] == 20
    assert rows(folder) == rows(other)
    assert [int(row["step"]) for row in rows(folder) if row["train/loss"]] == list(range(log_every, 21, log_every))
    best = [read_checkpoint(f / "checkpoints/best.ckpt") for f in (folder, other)]
    equal(best[0]["state_dict"], best[1]["state_dict"])
