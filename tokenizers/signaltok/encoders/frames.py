"""Frames as pictures: each frame of a video by itself through an encoder of pictures, as most models take video.

Nothing is shared between frames, so a video of any length is as good as its pictures, and costs as many tokens.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.folded import check_pictures, folded, unfolded
from signaltok.parts import Encoder
from signaltok.types.memory import Memory


class FramesEncoder(Encoder):
    """signal [b, channels, t, h, w] -> latent [b, latent_dim, t, *grid of a picture].

    pictures: an encoder of pictures with a grid, of as many channels and latent channels.
    """

    causal = True

    def __init__(self, *, axes: int, channels: int, latent_dim: int, pictures: Encoder) -> None:
        super().__init__()
        check_pictures(axes, channels, latent_dim, pictures)
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (1, *pictures.stride)
        self.receptive_field = None if pictures.receptive_field is None else (0, *pictures.receptive_field)
        self.pictures = pictures

    def forward(
        self, signal: Float[Tensor, "b c t h w"], lengths: Int64[Tensor, "b 3"] | None
    ) -> Float[Tensor, "b d t h_out w_out"]:
        """See Encoder."""
        frames, own = folded(signal, lengths)
        return unfolded(self.pictures(frames, own), len(signal))

    def carry_on(
        self,
        piece: Float[Tensor, "1 c t h w"],
        memory: Memory,  # noqa: ARG002
    ) -> Float[Tensor, "1 d t h_out w_out"]:
        """See Encoder. Every frame alone, so its codes are to the bit those of the picture."""
        return unfolded(torch.cat([self.pictures(frame.contiguous(), None) for frame in piece.unbind(2)]), 1)
