"""A decoder at the rate of the latent: ConvNeXt blocks, then an inverse short-time Fourier transform.

Vocos (Siuzdak 2023, section 3), by which WavTokenizer (Ji et al. 2024, section 3.3) decodes: the mirror of
encoders.spectral.
"""

from collections.abc import Sequence

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.codec import numbered, reach_of, stride_of, whole
from signaltok.layers.convnext import ChannelNorm, ConvNextBlock
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.fourier import InverseStft
from signaltok.layers.signal_layer import Chain, SignalLayer
from signaltok.parts import Decoder


class SpectralDecoder(Decoder):
    """latent [b, latent_dim, l] -> signal [b, channels, l * stride].

    size: samples of a frame. width, inner, depth, kernel: as the encoder's. context: layers between the stem and the
    blocks, such as residual units and attention. final_norm: whether the blocks' sum is normalised at each frame before
    the head, as in Vocos; a head that reads it as it is can tell loud frames from soft ones by its length.
    """

    def __init__(
        self,
        *,
        channels: int,
        stride: int,
        size: int,
        width: int,
        inner: int,
        depth: int,
        kernel: int,
        layer_scale: float,
        final_norm: bool,
        context: Sequence[SignalLayer] | None,
        latent_dim: int,
    ) -> None:
        super().__init__()
        rule = Convolutions(padding="same", mode="constant", norm=None)
        blocks = [
            ConvNextBlock(axes=1, width=width, inner=inner, kernel=kernel, layer_scale=layer_scale, convolutions=rule)
            for _ in range(depth)
        ]
        self.trunk = Chain(
            layers={
                "stem": rule.conv(1, latent_dim, width, kernel),
                **numbered("context", context),
                "norm": ChannelNorm(width=width, epsilon=1e-6),
                **numbered("block", blocks),
                **({"last_norm": ChannelNorm(width=width, epsilon=1e-6)} if final_norm else {}),
                "head": InverseStft(width=width, channels=channels, size=size, hop=stride),
            }
        )
        self.axes, self.channels, self.latent_dim = 1, channels, latent_dim
        self.stride = (stride_of(self.trunk),)
        self.receptive_field = reach_of(self.trunk, 1)

    def forward(self, z_q: Float[Tensor, "b d l"], lengths: Int64[Tensor, "b 1"] | None) -> Float[Tensor, "b c n"]:
        """See Decoder."""
        return whole(self.trunk, z_q, lengths)
