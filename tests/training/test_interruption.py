"""Runs that are told to stop, by a signal or by the clock, and runs that must not go on."""

import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from killing import differences

from signaltok.training.callbacks.collapse import CollapseWarning
from signaltok.training.callbacks.interruption import Interruption
from signaltok.training.checkpoint_io import AtomicCheckpointIO
from signaltok.training.interrupted import RunInterruptedError
from signaltok.training.module import TokenizerModule
from signaltok.training.run import resumed_settings, run

OPTIONS = (
    "trainer.max_steps=12",
    "trainer.val_check_interval=4",
    "trainer.log_every_n_steps=2",
    "trainer.profiler=null",
)


def go(settings):
    return run(settings, command=["test"], overrides=[])


def at_step(monkeypatch, number, what):
    """Do something at the start of a step."""
    start = TokenizerModule.on_train_batch_start

    def act(module, batch, batch_idx):
        if module.batches_seen == number:
            what(module)
        return start(module, batch, batch_idx)

    monkeypatch.setattr(TokenizerModule, "on_train_batch_start", act)


@pytest.mark.parametrize(("stopped", "saved"), [(5, 6), (7, 8)])  # step 8 is validated before it is saved
def test_a_signal_saves_stops_and_loses_nothing(tiny, monkeypatch, stopped, saved):
    whole = tiny(*OPTIONS, folder="whole")
    go(whole)
    before = signal.getsignal(signal.SIGTERM)
    broken = tiny(*OPTIONS, folder="broken")
    folder = Path(broken["paths"]["output_dir"])
    with monkeypatch.context() as patch:
        at_step(patch, stopped, lambda module: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(
            RunInterruptedError, match=rf"SIGTERM; saved after {saved} of 12 steps.*run\.resume=.*broken"
        ):
            go(broken)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (folder / "summary.json").exists()
    go(resumed_settings(folder, []))
    assert differences(Path(whole["paths"]["output_dir"]), folder) == []


def test_a_run_that_validates_after_every_step_stops_too(tiny, monkeypatch):
    options = (*OPTIONS, "trainer.val_check_interval=1")
    whole, broken = tiny(*options, folder="whole"), tiny(*options, folder="broken")
    go(whole)
    with monkeypatch.context() as patch:
        at_step(patch, 4, lambda module: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(RunInterruptedError, match="saved after 5 of 12 steps"):
            go(broken)
    folder = Path(broken["paths"]["output_dir"])
    go(resumed_settings(folder, []))
    assert differences(Path(whole["paths"]["output_dir"]), folder) == []


def test_the_status_of_a_stopped_process_names_the_signal(tiny, monkeypatch):
    at_step(monkeypatch, 2, lambda module: os.kill(os.getpid(), signal.SIGUSR1))
    with pytest.raises(RunInterruptedError) as caught:
        go(tiny(*OPTIONS))
    assert caught.value.status == 128 + signal.SIGUSR1


def test_the_time_that_is_over_saves_and_stops(tiny, tmp_path):
    with pytest.raises(RunInterruptedError, match=r"trainer\.max_time is over; saved after 1 of 12 steps") as caught:
        go(tiny(*OPTIONS, "trainer.max_time='00:00:00:00'"))
    assert caught.value.status == 75
    assert (tmp_path / "run/checkpoints/last.ckpt").is_file()


def test_without_a_last_checkpoint_a_stop_says_that_nothing_was_saved(tiny):
    with pytest.raises(RunInterruptedError, match="nothing was saved"):
        go(tiny(*OPTIONS, "trainer.max_time='00:00:00:00'", "callbacks.model_checkpoint=null"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"signals": ["SIGTREM"]}, "has SIGTREM; give names such as SIGTERM"),
        ({"max_time": "2h"}, "'2h'; write it as DD:HH:MM:SS"),
        ({"agree_every_n_steps": 0}, "is 0; give 1 or more"),
    ],
)
def test_a_stop_that_cannot_be_listened_to_is_named(values, words):
    with pytest.raises(ValueError, match=words):
        Interruption(**{"signals": [], "max_time": None, "agree_every_n_steps": 1, **values})


def test_a_run_broken_off_before_its_first_checkpoint_starts_again(tiny, monkeypatch):
    whole, broken = tiny(*OPTIONS, folder="whole"), tiny(*OPTIONS, folder="broken")
    go(whole)
    folder = Path(broken["paths"]["output_dir"])

    def fail(module):
        raise RuntimeError("the machine went down")

    with monkeypatch.context() as patch:
        at_step(patch, 3, fail)
        with pytest.raises(RuntimeError, match="went down"):
            go(broken)
    assert not (folder / "checkpoints/last.ckpt").exists()
    go(resumed_settings(folder, []))
    assert differences(Path(whole["paths"]["output_dir"]), folder) == []


def test_other_data_are_refused_by_a_resume(tiny, tmp_path):
    go(tiny(*OPTIONS))
    path = tmp_path / "run/provenance.json"
    path.write_text(path.read_text().replace('"fingerprint": "', '"fingerprint": "other '))
    with pytest.raises(ValueError, match="have changed since it began"):
        go(resumed_settings(tmp_path / "run", []))


def test_a_weight_that_is_no_number_is_not_saved(tiny, tmp_path, monkeypatch):
    step = TokenizerModule.optimizer_step

    def spoil(module, *arguments):
        step(module, *arguments)
        if module.batches_seen == 6:
            with torch.no_grad():
                next(module.tokenizer.decoder.parameters()).view(-1)[0] = torch.nan

    monkeypatch.setattr(TokenizerModule, "optimizer_step", spoil)
    with pytest.raises(
        ValueError, match=r"tokenizer\.decoder.* holds NaN or infinity after step 6.*last\.ckpt is from before"
    ):
        go(tiny(*OPTIONS, "callbacks.model_checkpoint.every_n_train_steps=3", "trainer.val_check_interval=12"))
    content = AtomicCheckpointIO().load_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    assert content["batches_seen"] == 3


def test_a_collapsed_codebook_is_warned_of_once_with_what_to_try(tiny, caplog):
    with caplog.at_level(logging.WARNING, "signaltok"):
        go(tiny(*OPTIONS, "callbacks.collapse.threshold=0.99", "quantizer.codebook_size=64"))
    told = [record.getMessage() for record in caplog.records if "collapsing" in record.getMessage()]
    assert len(told) == 1 and "quantizer.revival" in told[0]


def test_no_warning_where_the_codes_are_used(tiny, caplog):
    with caplog.at_level(logging.WARNING, "signaltok"):
        go(tiny(*OPTIONS, "callbacks.collapse.threshold=0.001"))
    assert not [record for record in caplog.records if "collapsing" in record.getMessage()]
    with pytest.raises(ValueError, match="threshold is 1 and after 0"):
        CollapseWarning(threshold=1, after=0)


def test_room_is_made_sure_of_before_a_checkpoint_is_written(tmp_path, monkeypatch):
    path, plugin = tmp_path / "run/checkpoints/last.ckpt", AtomicCheckpointIO()
    plugin.save_checkpoint({"step": 1}, path)
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=10))
    with pytest.raises(
        OSError, match=r"no space left for .*0\.0 MB free; the checkpoint before it is intact.*run\.resume="
    ):
        plugin.save_checkpoint({"step": 2}, path)
    assert plugin.load_checkpoint(path) == {"step": 1}


def test_a_checkpoint_that_does_not_read_as_written_is_not_kept(tmp_path, monkeypatch):
    path, plugin = tmp_path / "last.ckpt", AtomicCheckpointIO()
    plugin.save_checkpoint({"step": 1}, path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda self: b"something else")
        with pytest.raises(OSError, match=r"could not write .*does not read as it was written"):
            plugin.save_checkpoint({"step": 2}, path)
    with pytest.raises(ValueError, match="more than plain data"):
        plugin.save_checkpoint({"step": Path("a")}, path)
    assert plugin.load_checkpoint(path) == {"step": 1}


def test_gradients_of_several_batches_make_one_step(tiny, tmp_path):
    options = ("quantizer=fsq", "trainer.max_steps=4", "trainer.log_every_n_steps=2", "trainer.val_check_interval=2",
               "optimization.autocast=null", "data.augmentation=null")  # fmt: skip
    go(tiny(*options, "data.batch_size=4", folder="whole"))
    figures = go(tiny(*options, "data.batch_size=2", "trainer.accumulate_grad_batches=2", folder="parts"))
    assert figures["train/steps"] == 4
    one, two = (
        AtomicCheckpointIO().load_checkpoint(tmp_path / f"{name}/checkpoints/last.ckpt") for name in ("whole", "parts")
    )
    assert (one["batches_seen"], two["batches_seen"]) == (4, 8) and one["global_step"] == two["global_step"] == 4
    for name, value in one["current_model_state"].items():
        torch.testing.assert_close(value, two["current_model_state"][name], msg=name, atol=2e-4, rtol=0)
    steps = [line.split(",")[0] for line in (tmp_path / "parts/metrics.csv").read_text().splitlines()]
    assert steps == ["step", "2", "4"]
