"""Any encoder, any quantizer and any decoder of the encoder's kind, grid or sequence, train together."""

import itertools
import math
from pathlib import Path

import pytest
from tiny_runs import PARTS, QUANTIZERS, SEQUENCE, TINY, composed

from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain
from signaltok.training.config.schema import TrainConfig
from signaltok.training.run import run

CONFIGS = Path(__file__).parents[2] / "configs"
CHOICES = [
    (encoder, quantizer, decoder)
    for encoder, quantizer, decoder in itertools.product(
        *(sorted(p.stem for p in (CONFIGS / g).glob("*.yaml")) for g in ("encoder", "quantizer", "decoder"))
    )
    if (encoder in SEQUENCE) == (decoder in SEQUENCE)
]


@pytest.mark.parametrize(("encoder", "quantizer", "decoder"), CHOICES)
def test_two_steps(tmp_path, encoder, quantizer, decoder):
    settings = plain(
        composed(
            *TINY,
            f"encoder={encoder}", f"quantizer={quantizer}", f"decoder={decoder}",
            *(f"encoder.{override}" for override in PARTS["encoder"][encoder]),
            *(f"decoder.{override}" for override in PARTS["decoder"][decoder]),
            *QUANTIZERS.get(quantizer, ()),
            "trainer.max_steps=2", f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}",
        )
    )  # fmt: skip
    check(settings, TrainConfig)
    figures = run(settings, command=["test"], overrides=[])
    assert figures["train/steps"] == 2
    assert math.isfinite(figures["train/loss"]) and math.isfinite(figures["test/psnr"])
    assert ("test/usage" in figures) == (quantizer != "identity")
