"""The names of a SEANet, which EnCodec and Mimi share: numbered layers, activations among them."""

from dataclasses import dataclass

from signaltok.published.translation import Translation

ENCODER, DECODER = "encoder.trunk", "decoder.trunk"


@dataclass(frozen=True)
class SeanetNames:
    """encoder, decoder: what comes before a layer's number. convolution, transposed: what comes after it."""

    encoder: str
    decoder: str
    convolution: str
    transposed: str


TRANSFORMERS = SeanetNames("encoder.layers", "decoder.layers", "conv", "conv")
PACKAGE = SeanetNames("encoder.model", "decoder.model", "conv.conv", "convtr.convtr")


def translate_seanet(translation: Translation, names: SeanetNames, stages: int, units: int, lstm: bool) -> None:
    """Both halves; stages: how many strides, units: residual units at each."""
    number = 0
    translation.convolution(f"{ENCODER}.stem", f"{names.encoder}.0.{names.convolution}")
    for stage in range(stages):
        for unit in range(units):
            number += 1
            _unit(translation, f"{ENCODER}.stage{stage}.unit{unit}", f"{names.encoder}.{number}", names.convolution)
        number += 2
        translation.convolution(f"{ENCODER}.stage{stage}.resample", f"{names.encoder}.{number}.{names.convolution}")
    if lstm:
        number += 1
        translation.same(f"{ENCODER}.bottleneck0.lstm", f"{names.encoder}.{number}.lstm")
    translation.convolution(f"{ENCODER}.project", f"{names.encoder}.{number + 2}.{names.convolution}")

    number = 0
    translation.convolution(f"{DECODER}.stem", f"{names.decoder}.0.{names.convolution}")
    if lstm:
        number += 1
        translation.same(f"{DECODER}.bottleneck0.lstm", f"{names.decoder}.{number}.lstm")
    for stage in range(stages):
        number += 2
        translation.convolution(f"{DECODER}.stage{stage}.resample", f"{names.decoder}.{number}.{names.transposed}")
        for unit in range(units):
            number += 1
            _unit(translation, f"{DECODER}.stage{stage}.unit{unit}", f"{names.decoder}.{number}", names.convolution)
    translation.convolution(f"{DECODER}.project", f"{names.decoder}.{number + 2}.{names.convolution}")


def _unit(translation: Translation, ours: str, theirs: str, convolution: str) -> None:
    translation.convolution(f"{ours}.branch.conv0", f"{theirs}.block.1.{convolution}")
    translation.convolution(f"{ours}.branch.conv1", f"{theirs}.block.3.{convolution}")
    if f"{ours}.shortcut.weight" in translation.wanted:
        translation.convolution(f"{ours}.shortcut", f"{theirs}.shortcut.{convolution}")
