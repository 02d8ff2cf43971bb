import errno
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import TINY, composed

from signaltok.checkpoint import read_checkpoint
from signaltok.reports.run_files import read_counts
from signaltok.training.callbacks.weight_averaging import decay_after
from signaltok.training.checkpoint_io import AtomicCheckpointIO
from signaltok.training.config.resolve import unvalidated
from signaltok.training.evaluation_run import evaluate_run
from signaltok.training.module import TokenizerModule
from signaltok.training.optimization import AdamWCosine
from signaltok.training.run import run, train
from signaltok.training.start import from_checkpoint, read_tokenizer

TWO = ("trainer.max_steps=2",)


def go(settings):
    return run(settings, command=["python", "train.py"], overrides=["trainer.max_steps=2"])


def test_a_run_leaves_what_the_design_says(tiny, tmp_path):
    figures = go(tiny(*TWO))
    folder = tmp_path / "run"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary == figures
    assert {"test/psnr", "test/ssim", "test/usage", "val/psnr", "train/seconds", "train/steps"} <= summary.keys()
    assert summary["train/steps"] == 2
    provenance = json.loads((folder / "provenance.json").read_text())
    assert {"command", "overrides", "git", "versions", "seed", "data", "machine"} <= provenance.keys()
    assert provenance["command"] == "python train.py"
    assert provenance["data"]["fingerprint"]
    for name in ("config.yaml", "overrides.yaml", "metrics.csv", "code_counts.safetensors", "checkpoints/best.ckpt"):
        assert (folder / name).is_file(), name
    hits = {name: int((counts > 0).sum()) for name, counts in load_file(folder / "code_counts.safetensors").items()}
    assert hits == {"counts.0": 16 - summary["val/dead"], "test.counts.0": 16 - summary["test/dead"]}
    split, (drawn,) = read_counts(folder / "code_counts.safetensors")
    assert split == "test" and int((drawn > 0).sum()) == hits["test.counts.0"]
    with pytest.raises(ValueError, match="holds a run already"):
        go(tiny(*TWO))


def test_the_checkpoint_is_plain_and_enough_to_build_the_tokenizer(tiny, tmp_path):
    go(tiny(*TWO, "run.evaluate=false"))
    content = read_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    assert content["batches_seen"] == 2 and type(content["batches_seen"]) is int
    assert content["tokenizer_description"]["class"] == "signaltok.tokenizer.Tokenizer"
    assert content["run"]["value_range"] == [-1.0, 1.0]
    tokenizer = from_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    stack = tokenizer.encode(torch.zeros(1, 3, 16, 16))
    assert stack.codebook_sizes == (16,)


def test_latest_follows_training_and_nothing_else(tiny, tmp_path):
    go(tiny(*TWO, "run.evaluate=false", folder="one"))
    assert not (tmp_path / "latest").exists()
    go(tiny(*TWO, "run.evaluate=false", "task_name=train", folder="two"))
    assert (tmp_path / "latest").resolve() == tmp_path / "two"
    go(tiny(*TWO, "run.evaluate=false", "task_name=debug", folder="three"))
    assert (tmp_path / "latest").resolve() == tmp_path / "two"
    go(tiny(*TWO, "run.evaluate=false", "task_name=train", folder="four"))
    assert (tmp_path / "latest").resolve() == tmp_path / "four"


def test_validation_takes_no_random_numbers_from_training(tiny, tmp_path):
    options = ("trainer.max_steps=12", "run.evaluate=false", "quantizer=rvq")
    go(tiny(*options, "trainer.val_check_interval=3", folder="often"))
    go(tiny(*options, "trainer.val_check_interval=12", folder="once"))
    often, once = (read_checkpoint(tmp_path / f"{name}/checkpoints/last.ckpt") for name in ("often", "once"))
    for name, value in once["current_model_state"].items():
        assert torch.equal(value, often["current_model_state"][name]), name


@pytest.mark.parametrize(("steps", "interval", "left"), [(1000, 650, 350), (1000, 500, None), (7, 9, None), (7, 5, 2)])
def test_steps_that_nothing_validates_are_told(steps, interval, left):
    words = unvalidated(steps, interval)
    assert (words is None) == (left is None)
    if words is not None:
        assert f"the last {left} steps" in words
        divisor = int(words.split()[-3])
        assert steps % divisor == 0 and unvalidated(steps, divisor) is None


def test_weights_are_averaged_and_codebooks_are_the_live_ones(tiny, tmp_path, monkeypatch):
    seen = []
    start = TokenizerModule.on_train_batch_start

    def note(module, batch, batch_idx):
        seen.append({name: value.detach().clone() for name, value in module.state_dict().items()})
        return start(module, batch, batch_idx)

    monkeypatch.setattr(TokenizerModule, "on_train_batch_start", note)
    go(tiny("trainer.max_steps=5", "run.evaluate=false"))
    content = read_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    steps = [*seen[1:], content["current_model_state"]]
    weight = "tokenizer.encoder." + next(
        n for n, _ in from_checkpoint(tmp_path / "run/checkpoints/last.ckpt").encoder.named_parameters()
    )
    average = steps[0][weight]  # the first update copies
    for updates, step in enumerate(steps[1:], start=1):
        decay = decay_after(updates, 0.999)
        average = decay * average + (1 - decay) * step[weight]
    torch.testing.assert_close(content["state_dict"][weight], average)
    assert not torch.equal(average, steps[-1][weight])
    parameters = {name for name, _ in from_checkpoint(tmp_path / "run/checkpoints/last.ckpt").named_parameters()}
    buffers = [name for name in content["state_dict"] if name.removeprefix("tokenizer.") not in parameters]
    assert buffers
    for name in buffers:
        assert torch.equal(content["state_dict"][name], content["current_model_state"][name]), name


def test_a_loss_that_is_no_number_stops_the_run_with_its_cause(tiny, monkeypatch):
    reconstruct = TokenizerModule.reconstruct

    def spoil(module, batch):
        if module.batches_seen == 3:
            with torch.no_grad():
                next(module.tokenizer.decoder.parameters()).fill_(math.nan)
        return reconstruct(module, batch)

    monkeypatch.setattr(TokenizerModule, "reconstruct", spoil)
    with pytest.raises(ValueError, match="not finite at step 3: the decoder's signal is the first value"):
        go(tiny("trainer.max_steps=5", "run.evaluate=false"))


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path, plugin = tmp_path / "last.ckpt", AtomicCheckpointIO()
    plugin.save_checkpoint({"step": 1}, path)

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"no space left while writing .*last\.ckpt"):
            plugin.save_checkpoint({"step": 2}, path)
    assert plugin.load_checkpoint(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_run_starts_from_weights(tiny, tmp_path):
    go(tiny(*TWO, "run.evaluate=false", folder="first"))
    settings = tiny(
        *TWO, "run.evaluate=false", f"run.init_from={tmp_path / 'first'}", "optimization.learning_rate=1e-30",
        folder="second",
    )  # fmt: skip
    go(settings)
    one, two = read_tokenizer(tmp_path / "first", "best"), read_tokenizer(tmp_path / "second", "last")
    for (name, first), second in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(first, second, msg=name)
    with pytest.raises(ValueError, match="does not fit the tokenizer"):
        go(
            tiny(
                *TWO,
                "encoder.widths=[8,16]",
                "decoder.widths=[16,8]",
                f"run.init_from={tmp_path / 'first'}",
                folder="x",
            )
        )


def test_evaluation_gives_the_same_figures_as_the_run(tiny, tmp_path):
    figures = go(tiny(*TWO))
    overrides = [
        f"run.path={tmp_path / 'run'}", "run.limit_eval_batches=1", "run.report=false", "data.batch_size=1",
        f"paths.output_dir={tmp_path / 'eval'}", f"paths.log_dir={tmp_path}", f"paths.root_dir={tmp_path}",
    ]  # fmt: skip
    found = evaluate_run(composed(*overrides, name="eval"), command=["python", "eval.py"], overrides=overrides)
    assert found["test/psnr"] == figures["test/psnr"]
    assert json.loads((tmp_path / "eval/summary.json").read_text()) == found
    assert not (tmp_path / "latest").exists()
    exported = read_tokenizer(tmp_path / "run", "best").save(tmp_path / "exported")
    overrides[0], overrides[4] = f"run.path={exported}", f"paths.output_dir={tmp_path / 'eval2'}"
    overrides[6] = TINY[-1]
    overrides += ["data.size=16", "data.eval_batch_size=2"]
    again = evaluate_run(composed(*overrides, name="eval"), command=["python", "eval.py"], overrides=overrides)
    assert again["test/psnr"] == figures["test/psnr"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["run.resume={tmp}/nowhere"], "there is no folder .*nowhere; give the folder of a run"),
        (["run.resume={tmp}"], r"holds no run that could go on: it has no config\.yaml"),
        (["run.resume={tmp}", "trainer.max_steps=3"], r"leave out trainer\.max_steps=3"),
        (["run.init_from={tmp}"], "neither a run .* nor an exported tokenizer"),
        (["metric_for_sweep=val/psrn"], "metric_for_sweep is val/psrn, but this run gives val/psnr"),
        (["quantizer=identity", "metric_for_sweep=val/usage"], "metric_for_sweep is val/usage"),
        (["run.checkpoint=newest"], "'newest'; it is one of best, last"),
        pytest.param(
            ["trainer=ddp"],
            "finds none here; take trainer=cpu, or trainer=ddp_sim",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        (["trainer.max_steps=0"], r"trainer\.max_steps is 0"),
        (["optimization.autocast=fp8"], "fp8"),
        (["callbacks.best_checkpoint.monitor=val/fid"], "val/fid"),
    ],
)
def test_bad_requests_are_named_before_training(tmp_path, overrides, message):
    overrides = [override.format(tmp=tmp_path) for override in overrides]
    config = composed(*TINY, f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}", *overrides)
    with pytest.raises(ValueError, match=message):
        train(config, command=["python", "train.py"], overrides=overrides)
    assert not (tmp_path / "run").exists()


def test_the_learning_rate_rises_and_falls_by_shares_of_the_run():
    schedule = AdamWCosine(
        learning_rate=2e-3, betas=[0.9, 0.99], weight_decay=0.0, epsilon=1e-8, warmup=0.1, final_factor=0.02,
        autocast=None, channels_last=False,
    )  # fmt: skip
    rates = [schedule.rate(step, 100) for step in range(101)]
    assert rates[0] < rates[5] < max(rates)
    assert rates[100] == pytest.approx(2e-3 * 0.02)
    assert rates[50] == pytest.approx(2e-3 * (0.02 + 0.98 / 2))
    assert schedule.rate(500, 1000) == pytest.approx(rates[50])
