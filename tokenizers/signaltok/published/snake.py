"""The networks that DAC and SNAC share, of Snakes and dilated units, and the packages' names of their layers."""

from signaltok.decoders.codec import CodecDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.layers.activation import Snake
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.published.network import Sides, networks
from signaltok.published.translation import Translation

ENCODER, DECODER = "encoder.trunk", "decoder.trunk"
DILATIONS = [1, 3, 9]


def snake_networks(
    *,
    width: int,
    top: int,
    strides: list[int],
    last_kernel: int,
    latent_dim: int,
    bottleneck: Sides,
    last_activation: bool,
    depthwise: bool,
    noise: bool,
) -> tuple[CodecEncoder, CodecDecoder]:
    """last_kernel: of the encoder's projection. The others as network.networks."""
    return networks(
        channels=1,
        width=width,
        top=top,
        strides=strides,
        kernel=7,
        last_kernels=(last_kernel, 7),
        latent_dim=latent_dim,
        units=ResidualUnits(kernel=7, dilations=DILATIONS, compress=1, shortcut=False),
        activation=Snake(),
        convolutions=Convolutions(padding="same", mode="constant", norm=None),
        bottleneck=bottleneck,
        latent=([], []),
        last_activation=last_activation,
        depthwise=depthwise,
        noise=noise,
        final_tanh=True,
        completion="signal",
    )


def translate_unit(translation: Translation, ours: str, names: list[str]) -> None:
    """A residual unit; names: of its two activations and convolutions in their order."""
    translation.slope(f"{ours}.branch.activation0", names[0])
    translation.convolution(f"{ours}.branch.conv0", names[1])
    translation.slope(f"{ours}.branch.activation1", names[2])
    translation.convolution(f"{ours}.branch.conv1", names[3])


def translate_packaged(translation: Translation, stages: int) -> None:
    """Both halves as the packages name them, by numbers; what our networks have no layer for has no number there."""
    number = 0
    translation.convolution(f"{ENCODER}.stem", f"encoder.block.{number}")
    for stage in range(stages):
        number += 1
        ours, theirs = f"{ENCODER}.stage{stage}", f"encoder.block.{number}.block"
        _units(translation, ours, theirs, 0)
        translation.slope(f"{ours}.activation", f"{theirs}.3")
        translation.convolution(f"{ours}.resample", f"{theirs}.4")
    number = _attention(translation, ENCODER, "encoder.block", number)
    if f"{ENCODER}.activation.alpha" in translation.wanted:
        number += 1
        translation.slope(f"{ENCODER}.activation", f"encoder.block.{number}")
    translation.convolution(f"{ENCODER}.project", f"encoder.block.{number + 1}")

    number = 0
    if f"{DECODER}.depthwise.weight" in translation.wanted:
        translation.convolution(f"{DECODER}.depthwise", f"decoder.model.{number}")
        number += 1
    translation.convolution(f"{DECODER}.stem", f"decoder.model.{number}")
    number = _attention(translation, DECODER, "decoder.model", number)
    for stage in range(stages):
        number += 1
        ours, theirs, first = f"{DECODER}.stage{stage}", f"decoder.model.{number}.block", 2
        translation.slope(f"{ours}.activation", f"{theirs}.0")
        translation.convolution(f"{ours}.resample", f"{theirs}.1")
        if f"{ours}.noise.gain.weight" in translation.wanted:
            translation.convolution(f"{ours}.noise.gain", f"{theirs}.2.linear")
            first = 3
        _units(translation, ours, theirs, first)
    translation.slope(f"{DECODER}.activation", f"decoder.model.{number + 1}")
    translation.convolution(f"{DECODER}.project", f"decoder.model.{number + 2}")


def _units(translation: Translation, ours: str, theirs: str, first: int) -> None:
    for unit in range(len(DILATIONS)):
        names = [f"{theirs}.{first + unit}.block.{number}" for number in range(4)]
        translate_unit(translation, f"{ours}.unit{unit}", names)


def _attention(translation: Translation, ours: str, theirs: str, number: int) -> int:
    """The attention after a layer of that number, where our network has one; the number of the last layer."""
    own = f"{ours}.bottleneck0"
    if f"{own}.project.weight" not in translation.wanted:
        return number
    name = f"{theirs}.{number + 1}"
    translation.same(f"{own}.norm", f"{name}.norm")
    translation.put(f"{own}.query_key_value.weight", translation.take(f"{name}.to_qkv.weight"), f"{name}.to_qkv")
    translation.put(f"{own}.project.weight", translation.take(f"{name}.to_out.weight"), f"{name}.to_out")
    return number + 1
