"""Small adversaries."""

from signaltok.adversaries.adversary import Adversary
from signaltok.adversaries.losses import ClippedHinge, Hinge
from signaltok.adversaries.matching import FeatureMatching
from signaltok.adversaries.patch import PatchDiscriminator
from signaltok.adversaries.patch_video import FramesDiscriminator, VideoPatchDiscriminator
from signaltok.adversaries.stacks import ConvolutionStack, ResidualStack
from signaltok.adversaries.updates import EveryStep
from signaltok.adversaries.views import PeriodView, ScaleView, SpectrumView
from signaltok.adversaries.waveform import PeakLevel, SeveralDiscriminators, ViewDiscriminator
from signaltok.adversaries.weights import AdaptiveGradientWeight, ConstantWeight


def adversary(**changes) -> Adversary:
    plain = {
        "discriminator": PatchDiscriminator(axes=2, channels=3, width=4, layers=1, groups=2),
        "loss": Hinge(),
        "weight": AdaptiveGradientWeight(weight=0.8, epsilon=1e-4, least=0.0, most=1e4),
        "reduction": "mean", "matching": None, "lecam": None, "r1": None, "updates": EveryStep(every=1),
        "start": 0.5, "warmup": 0.1, "learning_rate": 1e-3, "betas": [0.5, 0.9],
        "epsilon": 1e-8,
    }  # fmt: skip
    return Adversary(**plain | changes)


def video_discriminators() -> SeveralDiscriminators:
    pictures = PatchDiscriminator(axes=2, channels=3, width=4, layers=2, groups=2)
    videos = VideoPatchDiscriminator(channels=3, width=4, layers=1, halvings=1, groups=2)
    return SeveralDiscriminators(
        members={"frames": FramesDiscriminator(pictures=pictures), "videos": videos}, level=None
    )


def convolutions(axes: int, **changes) -> ConvolutionStack:
    plain = {
        "widths": [4, 4], "kernels": [[5, 1][:axes]] * 2, "strides": [[3, 1][:axes], [1, 1][:axes]],
        "dilations": [[1, 1][:axes]] * 2, "groups": [1, 2], "head": [3, 1][:axes], "slope": 0.1, "first_normed": True,
    }  # fmt: skip
    return ConvolutionStack(**plain | changes)


def periods(channels: int = 1) -> ViewDiscriminator:
    views = [PeriodView(period=period) for period in (2, 3)]
    return ViewDiscriminator(channels=channels, views=views, stack=convolutions(2))


def scales() -> ViewDiscriminator:
    views = [ScaleView(halvings=number) for number in range(2)]
    return ViewDiscriminator(channels=1, views=views, stack=convolutions(1))


def bands() -> ViewDiscriminator:
    view = SpectrumView(window=16, hop=4, edges="reflect", unit_norm=False, bands=[[0.0, 0.4], [0.4, 1.0]])
    stack = convolutions(2, kernels=[[3, 3]] * 2, strides=[[1, 1], [1, 2]], head=[3, 3])
    return ViewDiscriminator(channels=1, views=[view], stack=stack)


def residual_spectrum() -> ViewDiscriminator:
    view = SpectrumView(window=16, hop=4, edges="none", unit_norm=True, bands=[[0.0, 1.0]])
    return ViewDiscriminator(
        channels=1, views=[view], stack=ResidualStack(width=3, multiples=[1, 2], strides=[[1, 2], [2, 2]])
    )


def waveform_adversary(**changes) -> Adversary:
    """All views in one, with feature matching."""
    members = {"period": periods(), "scale": scales(), "band": bands(), "residual": residual_spectrum()}
    plain = {
        "discriminator": SeveralDiscriminators(members=members, level=PeakLevel(peak=0.8)),
        "loss": ClippedHinge(), "weight": ConstantWeight(weight=3.0), "start": 0.0, "warmup": 0.0,
        "matching": FeatureMatching(weight=3.0, reduction="relative"),
    }  # fmt: skip
    return adversary(**plain | changes)
