"""Frames as pictures, back: the mirror of encoders.frames, each cell of time by itself through a decoder."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.folded import check_pictures, folded, unfolded
from signaltok.parts import Decoder
from signaltok.types.memory import Memory


class FramesDecoder(Decoder):
    """latent [b, latent_dim, t, *grid of a picture] -> signal [b, channels, t, h, w].

    pictures: a decoder of pictures from a grid, of as many channels and latent channels.
    """

    causal = True

    def __init__(self, *, axes: int, channels: int, latent_dim: int, pictures: Decoder) -> None:
        super().__init__()
        check_pictures(axes, channels, latent_dim, pictures)
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (1, *pictures.stride)
        self.receptive_field = None if pictures.receptive_field is None else (0, *pictures.receptive_field)
        self.pictures = pictures

    def forward(
        self, z_q: Float[Tensor, "b d t h w"], lengths: Int64[Tensor, "b 3"] | None
    ) -> Float[Tensor, "b c t h_out w_out"]:
        """See Decoder."""
        cells, own = folded(z_q, lengths)
        return unfolded(self.pictures(cells, own), len(z_q))

    def carry_on(
        self,
        piece: Float[Tensor, "1 d t h w"],
        memory: Memory,  # noqa: ARG002
    ) -> Float[Tensor, "1 c t h_out w_out"]:
        """See Decoder. Every frame alone, so it is to the bit what the picture is."""
        return unfolded(torch.cat([self.pictures(cell.contiguous(), None) for cell in piece.unbind(2)]), 1)
