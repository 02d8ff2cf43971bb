"""Each level of a residual tokenizer adds something: PSNR from the first n levels rises strictly with n."""

from itertools import pairwise
from pathlib import Path

import pytest
from tiny_runs import ROOT, composed

from signaltok.metrics.distortion import PeakSignalToNoiseRatio
from signaltok.training.config.build import build
from signaltok.training.config.resolve import plain
from signaltok.training.run import run
from signaltok.training.start import read_tokenizer

STEPS = 250


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "levels"), [("image_rqvae", 4), ("image_var", 4)])
def test_psnr_rises_strictly_with_each_level(tmp_path: Path, experiment: str, levels: int) -> None:
    settings = plain(
        composed(
            f"experiment={experiment}", f"trainer.max_steps={STEPS}", "trainer=cpu", "encoder.widths=[16,32]",
            "encoder.depth=1", "decoder.depth=1", "quantizer.level.codebook_size=64", "callbacks.progress_bar=null",
            "run.evaluate=false", "run.report=false", "trainer.val_check_interval=1000", "run.limit_eval_batches=1",
            f"paths.root_dir={ROOT}", f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}",
            "task_name=test",
        )
    )  # fmt: skip
    run(settings, command=["test"], overrides=[])
    tokenizer = read_tokenizer(tmp_path / "run", "last")
    batch = next(iter(build(settings["data"]).eval_loader("test", rank=0, world=1)))
    stack = tokenizer.encode(batch.signal)
    assert len(stack.levels) == levels
    metric = PeakSignalToNoiseRatio()
    found = []
    for count in range(1, levels + 1):
        decoded = tokenizer.decode(stack.first_levels(count)).clamp(*tokenizer.value_range)
        found.append(float(metric.measure(batch.signal, decoded, tokenizer.value_range, None).mean()))
    assert all(less < more for less, more in pairwise(found)), f"PSNR from the first levels: {found}"
