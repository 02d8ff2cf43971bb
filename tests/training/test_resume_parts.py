"""A resumed run equals the unbroken one to the bit, for every learned quantizer and what draws."""

from pathlib import Path

import pytest
import torch
from killing import differences
from tiny_runs import CONV, PARTS, QUANTIZERS, TINY, composed

from signaltok.training.config.resolve import plain
from signaltok.training.module import TokenizerModule
from signaltok.training.run import resumed_settings, run

STEPS, SAVED, BROKEN = 6, 3, 4
GUMBEL = (
    "++quantizer.assignment={_target_: signaltok.quantizers.assignment.GumbelAssignment, start: 2.0, end: 0.5, "
    "until: 1.0}"
)
REVIVAL = (
    "quantizer.revival={_target_: signaltok.quantizers.codebook.revival.UsageRevival, threshold: 0.9, every: 1, "
    "until: 0.9}"
)
TAIL = "encoder.tail_drop={_target_: signaltok.layers.tail.TailDrop, least: 1, lengths: uniform}"
QUERY = tuple(f"{part}.{size}" for part in ("encoder", "decoder") for size in PARTS[part]["query"])
# What each remembers between steps: draws of noise, dropout or restarts, the share of the run that is done.
CASES = {
    "gumbel_late": ("quantizer.annealed_by=0.9", "quantizer.late_start=0.6"),  # codes start after the break
    "ibq": (),
    "contrastive": (GUMBEL, "quantizer.num_negatives=2"),
    "simvq": (),
    "hierarchical": (),
    "multiscale": (),
    "grouped": (),
    "rq": (),
    "lfq": ("quantizer.entropy.early_until=0.9",),
    "bsq": ("quantizer.entropy.early_until=0.9",),
    "vq_gradient": (REVIVAL, "quantizer.metric=cosine"),
    "vq_factorised": (),
    "fsq": ("encoder=query", "decoder=query", *QUERY, TAIL),  # the tail drop draws
}


def settings(folder: Path, quantizer: str) -> dict:
    parts = () if "encoder=query" in CASES[quantizer] else CONV
    places = (f"paths.output_dir={folder}", f"paths.log_dir={folder.parent}")
    length = (f"trainer.max_steps={STEPS}", f"callbacks.model_checkpoint.every_n_train_steps={SAVED}")
    more = (f"trainer.val_check_interval={STEPS}", "run.evaluate=false", f"quantizer={quantizer}")
    return plain(composed(*TINY, *parts, *places, *length, *more, *CASES[quantizer], *QUANTIZERS[quantizer]))


FAST = {"gumbel_late", "contrastive", "multiscale", "lfq", "vq_gradient", "fsq"}  # each with something else to remember


@pytest.mark.parametrize(
    "quantizer", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_a_resumed_run_equals_the_unbroken_one(tmp_path, monkeypatch, quantizer):
    run(settings(tmp_path / "whole", quantizer), command=["test"], overrides=[])
    start = TokenizerModule.on_train_batch_start

    def stop(module, batch, batch_idx):
        if module.batches_seen == BROKEN:
            raise RuntimeError("the machine went down")
        return start(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TokenizerModule, "on_train_batch_start", stop)
        with pytest.raises(RuntimeError, match="the machine went down"):
            run(settings(tmp_path / "broken", quantizer), command=["test"], overrides=[])
    torch.manual_seed(99)
    run(resumed_settings(tmp_path / "broken", []), command=["test"], overrides=[])
    found = [text for text in differences(tmp_path / "whole", tmp_path / "broken") if "/seconds" not in text]
    assert found == []
