"""Normalised log-mel frames, several side by side, without weights: what BEST-RQ quantizes (Chiu et al. 2022, 3.1)."""

from fractions import Fraction

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from signaltok.encoders.speech_spectra import speech_spectra
from signaltok.layers.codec import reach_of, stride_of, whole
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Chain, Place, SignalLayer
from signaltok.parts import Encoder


class Stacked(SignalLayer):
    """x [b, c, l] -> [b, count * c, ceil(l / count)]: count positions side by side, with zeros at the end."""

    causal = False

    def __init__(self, *, count: int) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"count is {count}; it is how many frames stand side by side, 1 or more")
        self.count, self.scale = count, Fraction(1, count)

    def forward(self, x: Float[Tensor, "b c l"], *, extent: Extent) -> Float[Tensor, "b d m"]:
        """See SignalLayer."""
        x = F.pad(extent.silenced(x), (0, -x.shape[-1] % self.count))
        return x.unflatten(-1, (-1, self.count)).permute(0, 3, 1, 2).flatten(1, 2)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return first * self.count, last * self.count + self.count - 1


class SpeechFrames(Encoder):
    """signal [b, channels, n] -> latent [b, bins * frames, ceil(n / (hop * frames))], of the mean of the channels.

    axes: 1. sample_rate, size, transform, hop, bins, floor: of the spectra, see layers.log_mel. Each bin is normalised
    by running averages over the training data, of so much momentum: the only thing that a run finds out. frames: how
    many stand side by side. latent_dim: bins * frames, said so that others can refer to it.
    """

    def __init__(
        self,
        *,
        axes: int,
        channels: int,
        sample_rate: int,
        size: int,
        transform: int,
        hop: int,
        bins: int,
        floor: float,
        momentum: float,
        frames: int,
        latent_dim: int,
    ) -> None:
        super().__init__()
        if latent_dim != bins * frames:
            raise ValueError(
                f"latent_dim is {latent_dim}, but {bins} bins of {frames} frames are {bins * frames} numbers; set "
                "encoder.latent_dim to that"
            )
        spectra = speech_spectra(
            axes=axes,
            channels=1,
            sample_rate=sample_rate,
            size=size,
            transform=transform,
            hop=hop,
            bins=bins,
            floor=floor,
            momentum=momentum,
        )
        self.trunk = Chain(layers={**spectra, "stack": Stacked(count=frames)})
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride_of(self.trunk),)
        self.receptive_field = reach_of(self.trunk, 1)

    def forward(self, signal: Float[Tensor, "b c n"], lengths: Int64[Tensor, "b 1"] | None) -> Float[Tensor, "b d l"]:
        """See Encoder."""
        return whole(self.trunk, signal.mean(1, keepdim=True), lengths)
