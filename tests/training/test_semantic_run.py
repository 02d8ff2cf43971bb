"""Runs whose codes learn what a picture is: from texts beside its pixels, and from a tower of the run's own."""

import csv
from pathlib import Path

import pytest
import torch
from killing import differences
from tiny_runs import ROOT, composed

from signaltok.checkpoint import read_checkpoint
from signaltok.training.config.resolve import plain
from signaltok.training.module import TokenizerModule
from signaltok.training.run import resumed_settings, run

STEPS, SAVED, BROKEN = 6, 3, 4
SMALL = (
    "trainer=cpu", "data.size=32", "data.batch_size=4", "data.eval_batch_size=16", "run.limit_eval_batches=1",
    f"trainer.max_steps={STEPS}", f"trainer.val_check_interval={STEPS}", "trainer.log_every_n_steps=1",
    f"callbacks.model_checkpoint.every_n_train_steps={SAVED}", "callbacks.progress_bar=null", "run.evaluate=false",
    "run.report=false", "encoder.latent_dim=4", "task_name=test", f"paths.root_dir={ROOT}",
)  # fmt: skip
CASES = {
    "unitok_small": (
        "encoder.widths=[8,8,8]", "decoder.widths=[8,8,8]", "quantizer.num_groups=2", "quantizer.member.latent_dim=2",
        "quantizer.member.codebook_size=4", "objective.terms.align.width=8", "objective.terms.align.tower.width=8",
        "objective.terms.align.tower.buckets=64",
    ),
    "vqkd_small": (
        "encoder.width=16", "encoder.depth=1", "encoder.heads=2", "quantizer.codebook_size=4",
        "quantizer.codebook_dim=2", "objective.terms.distill.width=16", "objective.terms.distill.heads=2",
        "objective.terms.tower.encoder.widths=[8,8,8]", "objective.terms.tower.encoder.latent_dim=8",
        "objective.terms.tower.term.tower.width=8", "objective.terms.tower.term.tower.buckets=64",
        "objective.terms.tower.until=0.6",
    ),
}  # fmt: skip


def settings(folder: Path, name: str) -> dict:
    places = (f"paths.output_dir={folder}", f"paths.log_dir={folder.parent}")
    return plain(composed(f"experiment={name}", *SMALL, *CASES[name], *places))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["train/loss"]]


@pytest.mark.parametrize("name", CASES)
def test_a_resumed_run_equals_the_unbroken_one_to_the_bit(tmp_path, monkeypatch, name):
    run(settings(tmp_path / "whole", name), command=["test"], overrides=[])
    start = TokenizerModule.on_train_batch_start

    def stop(module, batch, batch_idx):
        if module.batches_seen == BROKEN:
            raise RuntimeError("the machine went down")
        return start(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TokenizerModule, "on_train_batch_start", stop)
        with pytest.raises(RuntimeError, match="the machine went down"):
            run(settings(tmp_path / "broken", name), command=["test"], overrides=[])
    torch.manual_seed(99)
    run(resumed_settings(tmp_path / "broken", []), command=["test"], overrides=[])
    found = [text for text in differences(tmp_path / "whole", tmp_path / "broken") if "/seconds" not in text]
    assert found == []
    found, state = rows(tmp_path / "whole"), read_checkpoint(tmp_path / "whole/checkpoints/last.ckpt")
    if name == "unitok_small":
        counted = [float(row["train/balance_align"]) for row in found]
        assert all(0.1 <= value <= 10.0 for value in counted)
        assert float(found[0]["train/balance_structure"]) == pytest.approx(0.1)
        assert state["current_model_state"]["balance.counts"].min() > 1
    else:
        # until 0.6 of six steps: the tower learns in four of them
        assert [float(row["train/tower"]) > 0 for row in found] == [True] * 4 + [False] * 2
        assert all(0 < float(row["train/distill"]) < 2 for row in found)
        assert any("tower.settled" in key for key in state["current_model_state"])
