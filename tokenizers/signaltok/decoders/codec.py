"""The convolutional decoder of neural codecs over any axes: the mirror of encoders.codec."""

from collections.abc import Sequence

from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.layers.activation import Activation, Tanh
from signaltok.layers.codec import least_cells, next_piece, numbered, reach_of, stride_of, whole
from signaltok.layers.conv import check_axes
from signaltok.layers.convolution import Convolution
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.even_start import start_evenly
from signaltok.layers.noise import Noise
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.signal_layer import Chain, SignalLayer
from signaltok.parts import Decoder
from signaltok.types.memory import Memory

LOUDNESS = 0.1  # about the root mean square of sounds; rates of 1e-3 take a thousand steps from one to there


class CodecDecoder(Decoder):
    """latent [b, latent_dim, *l] -> signal [b, channels, *l * stride].

    width: channels before the projection; towards the latent each stride doubles them. strides: finest first, as the
    encoder's. latent_layers: before the stem; bottleneck: layers after it. depthwise: as the encoder's, and the stem is
    one convolution a channel and one across them. noise: after each stride, see layers.noise. final_tanh: whether the
    signal is bounded by a tanh.
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
        depthwise: bool,
        noise: bool,
        final_tanh: bool,
        units: ResidualUnits,
        activation: Activation,
        convolutions: Convolutions,
        bottleneck: Sequence[SignalLayer] | None,
        latent_layers: Sequence[SignalLayer] | None,
        latent_dim: int,
    ) -> None:
        super().__init__()
        check_axes(axes)
        if not strides or min(strides) < 1:
            raise ValueError(f"strides must be positive and at least one, got {strides}")
        width *= 2 ** len(strides)
        layers = numbered("latent", latent_layers)
        if depthwise:
            layers["depthwise"] = convolutions.conv(axes, latent_dim, latent_dim, kernel, groups=latent_dim)
        layers["stem"] = convolutions.conv(axes, latent_dim, width, 1 if depthwise else kernel)
        layers |= numbered("bottleneck", bottleneck)
        for number, stride in enumerate(reversed(strides)):
            up = convolutions.transposed(axes, width, width // 2, 2 * stride, stride=stride)
            stage: dict[str, SignalLayer] = {"activation": activation.build(width), "resample": up}
            width //= 2
            if noise:
                stage["noise"] = Noise(axes=axes, width=width, convolutions=convolutions)
            layers[f"stage{number}"] = Chain(
                layers={**stage, **units.build(axes, width, activation, convolutions, depthwise)}
            )
        layers["activation"] = activation.build(width)
        layers["project"] = convolutions.conv(axes, width, channels, last_kernel)
        if final_tanh:
            layers["final"] = Tanh()
        self.trunk = Chain(layers=layers)
        start_evenly(self.trunk, activation.gain)
        if (norm := self.last_layer.norm) is not None:  # what comes out of it has no loudness but its gain
            nn.init.constant_(norm.weight, LOUDNESS)
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride_of(self.trunk),) * axes
        self.receptive_field = reach_of(self.trunk, axes)
        self.causal, self.least = self.trunk.causal, least_cells(self.trunk)

    def forward(self, z_q: Float[Tensor, "b d *l"], lengths: Int64[Tensor, "b axes"] | None) -> Float[Tensor, "b c *s"]:
        """See Decoder."""
        return whole(self.trunk, z_q, lengths)

    @property
    def last_layer(self) -> Convolution:
        """See Decoder; with a group norm after it, it is not the last to be registered."""
        layer = self.trunk.get_submodule("project")
        assert isinstance(layer, Convolution)
        return layer

    def carry_on(self, piece: Float[Tensor, "1 d l"], memory: Memory) -> Float[Tensor, "1 c n"]:
        """See Decoder."""
        return next_piece(self.trunk, piece, memory)
