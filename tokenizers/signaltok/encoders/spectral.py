"""An encoder at the rate of the latent: a short-time Fourier transform, then ConvNeXt blocks, over one axis.

No layer works at the rate of the signal, which is what makes convolutional codecs slow on a CPU. The decoder is the
trunk of Vocos (Siuzdak 2023), which WavTokenizer (Ji et al. 2024, section 3.3) decodes by.
"""

import math

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.codec import numbered, reach_of, stride_of, whole
from signaltok.layers.convnext import ChannelNorm, ConvNextBlock
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.fourier import Stft
from signaltok.layers.signal_layer import Chain
from signaltok.parts import Encoder


class SpectralEncoder(Encoder):
    """signal [b, channels, n] -> latent [b, latent_dim, ceil(n / stride)].

    axes: 1; quantizers with grids of their own ask for it. size: samples of a frame. compression, floor: of the
    spectrum, see layers.fourier. width, inner, depth: of the ConvNeXt blocks; kernel: of their convolutions and of the
    first one, which all pad both sides. norms: whether each frame is normalised before the blocks and behind them, as
    in Vocos. Without, loud frames are told from soft ones by their length all the way, and `gain`, of the compressed
    spectra, decides how large they begin beside what the blocks add (with norms it is lost).
    """

    def __init__(
        self,
        *,
        axes: int,
        channels: int,
        stride: int,
        size: int,
        compression: float,
        floor: float,
        width: int,
        inner: int,
        depth: int,
        kernel: int,
        layer_scale: float,
        norms: bool,
        gain: float,
        latent_dim: int,
    ) -> None:
        super().__init__()
        if axes != 1:
            raise ValueError(f"axes is {axes}, but a short-time Fourier transform goes over one; take another encoder")
        if not 0 < gain < math.inf:
            raise ValueError(f"gain must be above 0 and finite, got {gain}")
        rule = Convolutions(padding="same", mode="constant", norm=None)
        blocks = [
            ConvNextBlock(axes=1, width=width, inner=inner, kernel=kernel, layer_scale=layer_scale, convolutions=rule)
            for _ in range(depth)
        ]
        self.trunk = Chain(
            layers={
                "transform": Stft(size=size, hop=stride, compression=compression, floor=floor, gain=gain),
                "stem": rule.conv(1, channels * (size + 2), width, 1),
                **({"norm": ChannelNorm(width=width, epsilon=1e-6)} if norms else {}),
                **numbered("block", blocks),
                **({"last_norm": ChannelNorm(width=width, epsilon=1e-6)} if norms else {}),
                "project": rule.conv(1, width, latent_dim, 1),
            }
        )
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride_of(self.trunk),)
        self.receptive_field = reach_of(self.trunk, 1)

    def forward(self, signal: Float[Tensor, "b c n"], lengths: Int64[Tensor, "b 1"] | None) -> Float[Tensor, "b d l"]:
        """See Encoder."""
        return whole(self.trunk, signal, lengths)
