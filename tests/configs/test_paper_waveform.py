"""The discriminators of waveforms: small as the files have them, and at their published widths by overrides."""

import pytest
import torch
from experiments import CONFIGS
from hydra import compose, initialize_config_dir
from paper import parameters

from signaltok.adversaries.adversary import Adversary
from signaltok.adversaries.losses import ClippedHinge, LeastSquares
from signaltok.adversaries.updates import RandomSteps
from signaltok.training.config.build import build
from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.config.schema import TrainConfig

PUBLISHED = {
    "multi_scale_stft": ("adversary.discriminator.stack.widths=[32,32,32,32,32]",),
    "multi_period_band": (
        "adversary.discriminator.members.period.stack.widths=[32,128,512,1024,1024]",
        "adversary.discriminator.members.band.stack.widths=[32,32,32,32,32]",
    ),
    "waveform_stft": (
        "adversary.discriminator.members.waveform.stack.widths=[16,64,256,1024,1024,1024]",
        "adversary.discriminator.members.waveform.stack.groups=[1,4,16,64,256,1]",
        "adversary.discriminator.members.spectrum.stack.width=32",
    ),
}


def built(name: str, *overrides: str) -> Adversary:
    prepare()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        mono = ("encoder.axes=1", "encoder.channels=1")
        config = compose("train", overrides=["paths.output_dir=run", f"adversary={name}", *mono, *overrides])
    settings = plain(config)
    check(settings, TrainConfig)
    with torch.device("meta"):
        adversary = build(settings["adversary"])
    adversary.check(axes=1, channels=1)
    return adversary


def convolution(inputs: int, outputs: int, *kernel: int, groups: int = 1) -> int:
    """Numbers in a convolution with weight norm: its directions, a length and a bias a channel."""
    weights = outputs * inputs // groups
    for size in kernel:
        weights *= size
    return weights + 2 * outputs


def test_encodec_s() -> None:
    adversary = built("multi_scale_stft", *PUBLISHED["multi_scale_stft"])
    # Défossez et al. 2022, section 3.4: five windows, hops of a quarter; encodec 0.1.1, msstftd.py, with
    # these n_ffts: 472,330 (tests/adversaries/test_waveform.py builds it).
    assert [(view.window, view.hop) for view in adversary.discriminator.views] == [
        (2048, 512), (1024, 256), (512, 128), (256, 64), (128, 32),
    ]  # fmt: skip
    assert parameters(adversary.discriminator) == 472_330
    # Section 3.4: the hinge's generator side is clipped; features relative; on two steps of three; Adam's betas.
    assert isinstance(adversary.loss, ClippedHinge) and adversary.matching.reduction == "relative"
    assert isinstance(adversary.updates, RandomSteps) and adversary.updates.probability == pytest.approx(2 / 3)
    assert adversary.shares() == {"generator": 3.0, "matching": 3.0} and adversary.betas == (0.5, 0.9)


def test_dac_s() -> None:
    adversary = built("multi_period_band", *PUBLISHED["multi_period_band"])
    periods, bands = adversary.discriminator.members.values()
    # HiFi-GAN's and DAC's five periods, each of 8,221,154: widths 1, 32, 128, 512, 1024, 1024, kernels of 5, then 3.
    assert [view.period for view in periods.views] == [2, 3, 5, 7, 11]
    one = sum(convolution(a, b, 5) for a, b in ((1, 32), (32, 128), (128, 512), (512, 1024), (1024, 1024)))
    assert one + convolution(1024, 1, 3) == 8_221_154
    assert parameters(periods) == 5 * 8_221_154 == 41_105_770
    # DAC's release, model/discriminator.py: three windows, each with a stack of five layers for each of five bands.
    assert [(view.window, view.hop, view.edges) for view in bands.views] == [
        (2048, 512, "reflect"), (1024, 256, "reflect"), (512, 128, "reflect"),
    ]  # fmt: skip
    band = convolution(2, 32, 3, 9) + 3 * convolution(32, 32, 3, 9) + convolution(32, 32, 3, 3)
    assert parameters(bands) == 3 * (5 * band + convolution(32, 1, 3, 3))
    # Its losses: least squares and features, summed over the members; on the signal without mean, at a peak of 0.8.
    assert isinstance(adversary.loss, LeastSquares) and adversary.reduction == adversary.matching.reduction == "sum"
    assert adversary.discriminator.level.peak == 0.8 and adversary.betas == (0.8, 0.99)
    assert [[len(stack) for stack in stacks] for stacks in bands.layers] == [[5] * 5] * 3


def test_soundstream_s() -> None:
    adversary = built("waveform_stft", *PUBLISHED["waveform_stft"])
    waveforms, spectrum = adversary.discriminator.members.values()
    # MelGAN's at three scales, each of 5,641,362: kernels of 15, 41 (four, a quarter of the channels in each group) and
    # 5, then 3.
    assert [view.halvings for view in waveforms.views] == [0, 1, 2]
    one = convolution(1, 16, 15) + convolution(16, 64, 41, groups=4) + convolution(64, 256, 41, groups=16)
    one += convolution(256, 1024, 41, groups=64) + convolution(1024, 1024, 41, groups=256)
    assert one + convolution(1024, 1024, 5) + convolution(1024, 1, 3) == 5_641_362
    assert parameters(waveforms) == 3 * 5_641_362
    # Zeghidour et al. 2021, section III-D: window 1024, hop 256, 32 channels, six units. The paper gives no number of
    # parameters, so none is asserted; that the last layer has F / 2^6 frequencies is in test_waveform.py.
    (view,) = spectrum.views
    assert (view.window, view.hop) == (1024, 256) and len(spectrum.layers[0][0]) == 7
    # Section III-E: features by the number of layers, with a weight of 100 beside 1.
    assert adversary.matching.arguments == {"weight": 100.0, "reduction": "mean"}
    assert isinstance(adversary.loss, ClippedHinge) and adversary.weight.factor == 1.0


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_the_files_have_them_they_are_small(name: str) -> None:
    assert parameters(built(name).discriminator) < 500_000
