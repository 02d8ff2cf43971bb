"""Any encoder, any quantizer and any decoder of the encoder's kind, grid or sequence, train together."""

import itertools
import math
from functools import cache
from pathlib import Path

import pytest
from laid_over import Settings, brought, laid_over, resolved, without_codes
from omegaconf import DictConfig
from tiny_runs import APART, AUDIO, PARTS, QUANTIZERS, SEQUENCE, TINY, composed

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
    and not encoder.startswith((*AUDIO, *APART))
    and not decoder.startswith((*AUDIO, *APART))
]


# These need the grid of a picture.
COARSER = {"hierarchical", "multiscale", "parallel", "parallel_small", "snac", "snac_small"}


@pytest.mark.parametrize("quantizer", sorted(COARSER))
def test_a_sequence_has_no_coarser_grids(tmp_path, quantizer):
    overrides = ("encoder=query", f"quantizer={quantizer}", "decoder=query", *QUANTIZERS[quantizer])
    sizes = (*(f"encoder.{x}" for x in PARTS["encoder"]["query"]), *(f"decoder.{x}" for x in PARTS["decoder"]["query"]))
    settings = plain(composed(*TINY, *overrides, *sizes, f"paths.output_dir={tmp_path}", f"paths.log_dir={tmp_path}"))
    with pytest.raises(ValueError, match="works on coarser grids of a picture too; choose another quantizer"):
        run(settings, command=["test"], overrides=[])


@cache
def networks(encoder: str, decoder: str) -> Settings:
    sizes = (f"{group}.{size}" for group, name in (("encoder", encoder), ("decoder", decoder))
             for size in PARTS[group][name])  # fmt: skip
    overrides = (f"encoder={encoder}", f"decoder={decoder}", "trainer.max_steps=2", "quantizer=identity")
    config = composed(*TINY, *overrides, *sizes, "paths.output_dir=run", "paths.log_dir=runs")
    check(plain(config), TrainConfig)
    return without_codes(config)


@cache
def small(quantizer: str) -> Settings:
    return brought(
        composed("paths.output_dir=run", f"quantizer={quantizer}", *QUANTIZERS.get(quantizer, ())), identity()
    )


@cache
def identity() -> DictConfig:
    return composed("paths.output_dir=run", "quantizer=identity")


TRAINED = [c for c in CHOICES if not (c[0] in SEQUENCE and c[1] in COARSER)]


def _first() -> set[tuple[str, str, str]]:
    """Of every quantizer the choice that `make test` trains, the networks taking turns; the rest is slow."""
    first = set()
    for number, quantizer in enumerate(sorted({choice[1] for choice in TRAINED})):
        own = [choice for choice in TRAINED if choice[1] == quantizer]
        first.add(own[number % len(own)])
    return first


FIRST = _first()


def test_what_trains_first_holds_every_quantizer_and_every_pair_of_networks():
    assert {choice[1] for choice in FIRST} == {choice[1] for choice in TRAINED}
    assert {(choice[0], choice[2]) for choice in FIRST} == {(choice[0], choice[2]) for choice in TRAINED}


@pytest.mark.parametrize(
    ("encoder", "quantizer", "decoder"),
    [choice if choice in FIRST else pytest.param(*choice, marks=pytest.mark.slow) for choice in TRAINED],
)
def test_two_steps(tmp_path, encoder, quantizer, decoder):
    base = networks(encoder, decoder)
    places = {**base["paths"], "output_dir": str(tmp_path / "run"), "log_dir": str(tmp_path)}
    settings = laid_over(resolved({**base, "paths": places}), small(quantizer))
    check(settings, TrainConfig)
    figures = run(settings, command=["test"], overrides=[])
    assert figures["train/steps"] == 2
    assert math.isfinite(figures["train/loss"]) and math.isfinite(figures["test/psnr"])
    assert ("test/usage" in figures) == (quantizer != "identity")
