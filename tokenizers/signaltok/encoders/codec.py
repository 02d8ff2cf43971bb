"""The convolutional encoder of neural codecs over any axes: SEANet (EnCodec, Mimi), SoundStream, DAC and SNAC.

stem -> for each stride: residual units, activation, a convolution of kernel 2 x stride that doubles the channels ->
bottleneck -> activation -> projection -> latent layers. Tagliasacchi et al. 2020; Zeghidour et al. 2021, section III-A;
Défossez et al. 2022, section 3.1; Kumar et al. 2023, section 3.1. Which of them it is, its parts say.
"""

from collections.abc import Sequence

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.activation import Activation
from signaltok.layers.codec import least_cells, next_piece, numbered, reach_of, stride_of, whole
from signaltok.layers.conv import check_axes, silence
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.even_start import start_evenly
from signaltok.layers.resample import pad_to_multiple
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.signal_layer import Chain, SignalLayer
from signaltok.parts import Encoder
from signaltok.types.memory import Memory
from signaltok.types.token_stack import grid_lengths, valid_mask

COMPLETIONS = ("signal", "layers")


class CodecEncoder(Encoder):
    """signal [b, channels, *s] -> latent [b, latent_dim, *ceil(s / stride)].

    width: channels after the stem. strides: finest first; their product, times those of latent_layers, is the stride.
    kernel, last_kernel: of the stem and of the projection. last_activation: whether the projection has one before it.
    depthwise: units and projection work on each channel alone, but for their pointwise convolutions. bottleneck: layers
    at the coarsest width; latent_layers: layers after the projection. completion: what makes a signal's end a whole
    cell: zeros after the "signal", or each of the "layers" for itself, by its own padding.
    """

    def __init__(
        self,
        *,
        axes: int,
        channels: int,
        width: int,
        strides: list[int],
        kernel: int,
        last_kernel: int,
        last_activation: bool,
        depthwise: bool,
        units: ResidualUnits,
        activation: Activation,
        convolutions: Convolutions,
        bottleneck: Sequence[SignalLayer] | None,
        latent_layers: Sequence[SignalLayer] | None,
        latent_dim: int,
        completion: str,
    ) -> None:
        super().__init__()
        check_axes(axes)
        if not strides or min(strides) < 1:
            raise ValueError(f"strides must be positive and at least one, got {strides}")
        if completion not in COMPLETIONS:
            raise ValueError(f"completion must be one of {COMPLETIONS}, got {completion!r}")
        layers: dict[str, SignalLayer] = {"stem": convolutions.conv(axes, channels, width, kernel)}
        for number, stride in enumerate(strides):
            layers[f"stage{number}"] = Chain(
                layers={
                    **units.build(axes, width, activation, convolutions, depthwise),
                    "activation": activation.build(width),
                    "resample": convolutions.conv(axes, width, 2 * width, 2 * stride, stride=stride),
                }
            )
            width *= 2
        layers |= numbered("bottleneck", bottleneck)
        if last_activation:
            layers["activation"] = activation.build(width)
        groups = latent_dim if depthwise else 1
        layers["project"] = convolutions.conv(axes, width, latent_dim, last_kernel, groups=groups)
        layers |= numbered("latent", latent_layers)
        self.trunk = Chain(layers=layers)
        start_evenly(self.trunk, activation.gain)
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride_of(self.trunk),) * axes
        self.receptive_field = reach_of(self.trunk, axes)
        self.causal, self.least = self.trunk.causal, least_cells(self.trunk)
        self.completion = completion

    def forward(
        self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None
    ) -> Float[Tensor, "b d *l"]:
        """See Encoder."""
        if self.completion == "signal":
            if lengths is not None:
                signal = silence(signal, valid_mask(lengths, tuple(signal.shape[2:])))
                lengths = grid_lengths(lengths, self.stride) * self.stride[0]
            signal = pad_to_multiple(signal, self.stride[0])
        return whole(self.trunk, signal, lengths)

    def carry_on(self, piece: Float[Tensor, "1 c n"], memory: Memory) -> Float[Tensor, "1 d l"]:
        """See Encoder."""
        if self.completion == "signal" and memory.last:
            piece = pad_to_multiple(piece, self.stride[0])
        return next_piece(self.trunk, piece, memory)
