"""Features of a recognizer of speech at one of its layers, standing still: what units are clusters of.

As HuBERT's (Hsu et al. 2021, arXiv:2106.07447, section 3.1): hidden units are the clusters of a layer within a trained
network. The layer is where the trunk ends: one of fewer blocks has the names of the first blocks of a deeper one, and
takes their weights.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.encoders.speech import SpeechEncoder
from signaltok.encoders.speech_spectra import speech_spectra
from signaltok.layers.codec import reach_of, stride_of, whole
from signaltok.layers.signal_layer import Chain, SignalLayer
from signaltok.parts import Encoder


class SpeechFeatures(Encoder):
    """signal [b, channels, n] -> latent [b, latent_dim, ceil(n / stride)], without gradient, always in eval mode.

    All but trunk as in SpeechEncoder, whose augmentation is left out; trunk: of channels * bins inputs and latent_dim
    outputs. The weights are another encoder's (`follow`): a term's tower, trained by the run or read from a path.
    """

    led = True

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
        trunk: SignalLayer,
        latent_dim: int,
    ) -> None:
        super().__init__()
        spectra = speech_spectra(
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
        self.trunk = Chain(layers={**spectra, "trunk": trunk})
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride_of(self.trunk),)
        self.receptive_field = reach_of(self.trunk, 1)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "SpeechFeatures":  # noqa: ARG002
        """Nothing here is trained: statistics stay as they are in training too."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, signal: Float[Tensor, "b c n"], lengths: Int64[Tensor, "b 1"] | None) -> Float[Tensor, "b d l"]:
        """See Encoder."""
        return whole(self.trunk, signal, lengths)

    @torch.no_grad()
    def follow(self, other: Encoder) -> None:
        """See Encoder. Raises ValueError where the other has no such layers, or reads other spectra."""
        own, given = self.state_dict(), other.state_dict()
        foreign = [name for name in own if name not in given or given[name].shape != own[name].shape]
        if foreign or not isinstance(other, SpeechEncoder):
            raise ValueError(
                f"{type(other).__name__} is not a recognizer with these layers"
                + (f": it lacks {foreign[0]} of shape {tuple(own[foreign[0]].shape)}" if foreign else "")
                + "; give encoder the channels, bins and trunk of it, with no more blocks than it has"
            )
        for name, value in other.arguments.items():
            if name in ("sample_rate", "size", "transform", "hop", "floor") and value != self.arguments[name]:
                raise ValueError(
                    f"the recognizer reads spectra with {name} {value}, encoder.{name} is {self.arguments[name]}; "
                    "give both the same"
                )
        for name, tensor in own.items():
            tensor.copy_(given[name])
