"""Runs against an adversary: two optimizers, one step of the run."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_resume import equal
from tiny_runs import ADVERSARY, BALANCED

from signaltok.adversaries.adversary import Adversary
from signaltok.checkpoint import read_checkpoint
from signaltok.training.assemble import build_module, build_run_data, build_tokenizer
from signaltok.training.config.build import build
from signaltok.training.module import TokenizerModule
from signaltok.training.run import resumed_settings, run
from signaltok.training.start import from_checkpoint

STEPS = ("trainer.max_steps=8", "trainer.val_check_interval=4", "run.evaluate=false")


def go(settings):
    return run(settings, command=["test"], overrides=[])


def last(folder: Path):
    return read_checkpoint(folder / "checkpoints/last.ckpt")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["train/loss"]]


def test_two_optimizers_count_one_step(tiny, tmp_path):
    figures = go(tiny(*ADVERSARY, *STEPS))
    assert figures["train/steps"] == 8
    content = last(tmp_path / "run")
    assert (content["global_step"], content["batches_seen"]) == (8, 8)
    assert len(content["optimizer_states"]) == 2
    own, other = (state["state"][0]["step"] for state in content["optimizer_states"])
    assert (float(own), float(other)) == (8, 6), "the discriminator takes no part in the first quarter"
    assert [int(row["step"]) for row in rows(tmp_path / "run")] == list(range(1, 9))
    names = from_checkpoint(tmp_path / "run/checkpoints/last.ckpt").state_dict()
    assert not [name for name in names if "adversary" in name or "discriminator" in name]


def test_what_takes_part_when_is_logged(tiny, tmp_path):
    go(tiny(*ADVERSARY, *STEPS))
    found = rows(tmp_path / "run")
    for name, first in (("discriminator", 3), ("logits_real", 3), ("generator", 5), ("adaptive_weight", 5)):
        values = [float(row[f"train/{name}"]) for row in found]
        assert [value != 0.0 for value in values] == [step >= first for step in range(1, 9)], name
    for row in found[4:]:
        whole = float(row["train/reconstruction"]) + 0.1 * float(row["train/commitment"])
        whole += float(row["train/adaptive_weight"]) * float(row["train/generator"])
        assert float(row["train/loss"]) == pytest.approx(whole, rel=1e-4)


def test_while_the_gate_is_shut_nothing_is_computed_and_nothing_changes(tiny, tmp_path, monkeypatch):
    # A peer computes the adaptive weight and the discriminator from the first step on and multiplies both by 0.
    options = (*STEPS, "optimization.autocast=null")  # under autocast the last layer alone is computed otherwise
    go(tiny(*options, folder="without"))
    judged = []
    judge = Adversary.judge
    monkeypatch.setattr(Adversary, "judge", lambda *given: judged.append(1) or judge(*given))
    go(tiny(*ADVERSARY, *options, "adversary.start=0.99", "adversary.warmup=0.0", folder="shut"))
    assert not judged
    one, two = (last(tmp_path / name) for name in ("without", "shut"))
    for name, value in one["current_model_state"].items():
        assert torch.equal(two["current_model_state"][name], value), name


def test_every_trainable_parameter_is_in_one_optimizer_and_moves(tiny, tmp_path, monkeypatch):
    begun = {}

    def note(module):
        begun.update({name: value.detach().clone() for name, value in module.named_parameters()})
        groups = [id(p) for optimizer in module.trainer.optimizers for g in optimizer.param_groups for p in g["params"]]
        assert sorted(groups) == sorted(id(p) for p in module.parameters() if p.requires_grad)

    monkeypatch.setattr(TokenizerModule, "on_train_start", note)
    go(tiny(*ADVERSARY, *STEPS))
    ended = last(tmp_path / "run")["current_model_state"]
    assert any(name.startswith("adversary.") for name in begun)
    assert [name for name, value in begun.items() if torch.equal(value, ended[name])] == []


@pytest.mark.parametrize(
    ("stop", "batches", "more"),
    [
        (13, 10, ADVERSARY),
        (13, 10, BALANCED),
        pytest.param(27, 20, (*ADVERSARY, "trainer.accumulate_grad_batches=2"), marks=pytest.mark.slow),
        pytest.param(27, 20, (*BALANCED, "trainer.accumulate_grad_batches=2"), marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_equals_the_unbroken_one_to_the_bit(tiny, monkeypatch, stop, batches, more):
    options = ("trainer.max_steps=20", "callbacks.model_checkpoint.every_n_train_steps=10",
               "trainer.val_check_interval=7", "trainer.log_every_n_steps=4", "run.evaluate=false", *more)  # fmt: skip
    whole, broken = tiny(*options, folder="whole"), tiny(*options, folder="broken")
    go(whole)
    start = TokenizerModule.on_train_batch_start

    def fail(module, batch, batch_idx):
        if module.batches_seen == stop:
            raise RuntimeError("the machine went down")
        return start(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TokenizerModule, "on_train_batch_start", fail)
        with pytest.raises(RuntimeError, match="the machine went down"):
            go(broken)
    folder, other = Path(broken["paths"]["output_dir"]), Path(whole["paths"]["output_dir"])
    assert last(folder)["batches_seen"] == batches
    go(resumed_settings(folder, []))
    one, two = last(folder), last(other)
    for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "batches_seen",
                "random_state", "global_step", "log_window"):  # fmt: skip
        equal(one[key], two[key], key)
    assert (folder / "metrics.csv").read_text() == (other / "metrics.csv").read_text()
    state = one["current_model_state"]
    if "balance.sums" in state:
        assert 0 < int(state["adversary.lecam.updates"]) < one["batches_seen"] * 3 // 4
        # In the order of the terms; the commitment looks at the latent alone.
        assert (state["balance.sums"] > 0).tolist() == [True, False, True, True]
    else:
        assert int(state["adversary.lecam.updates"]) == 15 * (one["batches_seen"] // 20)


def test_gradients_of_several_batches_make_one_step_of_both(tiny, tmp_path):
    options = (*ADVERSARY, "quantizer=fsq", "trainer.max_steps=4", "adversary.start=0.25", "adversary.lecam=null",
               "adversary.r1=null", "optimization.autocast=null", "data.augmentation=null", "run.evaluate=false",
               "adversary.weight.least=0.1", "adversary.weight.most=0.1")  # fmt: skip
    go(tiny(*options, "data.batch_size=4", folder="whole"))
    go(tiny(*options, "data.batch_size=2", "trainer.accumulate_grad_batches=2", folder="parts"))
    one, two = (last(tmp_path / name) for name in ("whole", "parts"))
    assert (one["batches_seen"], two["batches_seen"]) == (4, 8) and one["global_step"] == two["global_step"] == 4
    for name, value in one["current_model_state"].items():
        torch.testing.assert_close(value, two["current_model_state"][name], msg=name, atol=2e-4, rtol=0)


def test_balanced_gradients_of_several_batches_make_one_step(tiny, tmp_path):
    # The gradient of a mean absolute error has the same norm in every item, so the averages are the same too.
    options = ("balance=encodec", "objective=absolute_error", "quantizer=fsq", "trainer.max_steps=4",
               "optimization.autocast=null", "data.augmentation=null", "run.evaluate=false")  # fmt: skip
    go(tiny(*options, "data.batch_size=4", folder="whole"))
    go(tiny(*options, "data.batch_size=2", "trainer.accumulate_grad_batches=2", folder="parts"))
    one, two = (last(tmp_path / name) for name in ("whole", "parts"))
    second = [content["optimizer_states"][0]["state"] for content in (one, two)]
    for number, state in second[0].items():
        torch.testing.assert_close(state["exp_avg"], second[1][number]["exp_avg"], atol=1e-5, rtol=1e-3)


def test_a_balanced_step_logs_how_much_each_term_counts(tiny, tmp_path):
    go(tiny(*BALANCED, *STEPS))
    found = rows(tmp_path / "run")
    terms = ("reconstruction", "commitment", "generator", "matching")
    for number, row in enumerate(found, start=1):
        counted = {name: float(row[f"train/balance_{name}"]) for name in terms}
        assert counted["reconstruction"] > 0 and counted["commitment"] == 0.0
        assert (counted["generator"] > 0) == (counted["matching"] > 0) == (number >= 5)
        whole = sum(counted[name] * float(row[f"train/{name}"]) for name in terms)
        whole += 0.1 * float(row["train/commitment"])
        assert float(row["train/loss"]) == pytest.approx(whole, rel=1e-4)
    steps = int(last(tmp_path / "run")["optimizer_states"][1]["state"][0]["step"])
    assert sum(float(row["train/discriminator"]) != 0.0 for row in found) == steps


def test_a_measured_weight_and_a_balancer_exclude_each_other(tiny):
    settings = tiny(*ADVERSARY, "balance=encodec")
    data = build_run_data(settings, data=build(settings["data"]))
    with pytest.raises(ValueError, match=r"adversary\.weight is AdaptiveGradientWeight and there is a balance"):
        build_module(settings, build_tokenizer(settings), data)


def test_gradients_of_both_are_clipped(tiny, tmp_path):
    options = (*ADVERSARY, "trainer.max_steps=4", "adversary.start=0.0", "adversary.warmup=0.0", "run.evaluate=false")
    go(tiny(*options, "trainer.gradient_clip_val=1e-12", folder="clipped"))
    go(tiny(*options, folder="plain"))
    # Adam divides gradients by their own size, so it is the second moments that show what size they had.
    for number in range(2):
        clipped, plain = (
            max(
                float(state["exp_avg_sq"].max())
                for state in last(tmp_path / name)["optimizer_states"][number]["state"].values()
            )
            for name in ("clipped", "plain")
        )
        assert clipped < 1e-22 < plain, number


def test_a_discriminator_for_other_signals_is_named_before_training(tiny):
    settings = tiny(*ADVERSARY, "adversary.discriminator.channels=1")
    data = build_run_data(settings, data=build(settings["data"]))
    with pytest.raises(ValueError, match="axes 2 and channels 1, the signal has 2 and 3"):
        build_module(settings, build_tokenizer(settings), data)


def test_an_adversary_s_loss_that_is_no_number_stops_the_run_with_its_name(tiny, monkeypatch):
    judge = Adversary.judge

    def spoiled(adversary, signal, lengths):
        said = judge(adversary, signal, lengths)
        return replace(said, logits=tuple(logits * float("inf") for logits in said.logits))

    monkeypatch.setattr(Adversary, "judge", spoiled)
    with pytest.raises(ValueError, match=r"the discriminator's loss is (inf|nan) at batch 2\. Lower adversary\.learn"):
        go(tiny(*ADVERSARY, *STEPS))
