"""An encoder of speech: log-mel frames, normalised, masked in training, then a trunk that arrives built."""

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.encoders.speech_spectra import speech_spectra
from signaltok.layers.codec import reach_of, stride_of, whole
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.signal_layer import Chain, SignalLayer
from signaltok.layers.spec_augment import SpecAugment
from signaltok.parts import Encoder


class SpeechEncoder(Encoder):
    """signal [b, channels, n] -> latent [b, latent_dim, ceil(n / stride)].

    axes: 1. sample_rate, size, transform, hop, bins, floor: of the spectra, see layers.log_mel; each bin is normalised
    by running averages over the training data, of so much momentum. augmentation: None for none. trunk: of channels *
    bins inputs and `width` outputs, which a linear layer turns into the latent.
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
        augmentation: SpecAugment | None,
        trunk: SignalLayer,
        width: int,
        latent_dim: int,
    ) -> None:
        super().__init__()
        layers = speech_spectra(
            axes=axes,
            channels=channels,
            sample_rate=sample_rate,
            size=size,
            transform=transform,
            hop=hop,
            bins=bins,
            floor=floor,
            momentum=momentum,
        )
        if augmentation is not None:
            layers["augment"] = augmentation
        rule = Convolutions(padding="same", mode="constant", norm=None)
        self.trunk = Chain(layers={**layers, "trunk": trunk, "project": rule.conv(1, width, latent_dim, 1)})
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride_of(self.trunk),)
        self.receptive_field = reach_of(self.trunk, 1)

    def forward(self, signal: Float[Tensor, "b c n"], lengths: Int64[Tensor, "b 1"] | None) -> Float[Tensor, "b d l"]:
        """See Encoder."""
        return whole(self.trunk, signal, lengths)
