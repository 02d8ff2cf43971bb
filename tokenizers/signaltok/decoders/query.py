"""A sequence of tokens to a signal of any size (TiTok: Yu et al. 2024, section 3.2): the mirror of encoders.query.

Every patch starts as one learned mask token at its coordinates and becomes pixels by attending to the tokens. The
decoder is deterministic; FlexTok's is a rectified flow over the latents of another autoencoder, which is not here.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import check_axes, conv, silence
from signaltok.layers.query import QueryTransformer, check_tokens, learned, token_points
from signaltok.layers.resample import depth_to_space
from signaltok.layers.transformer import check_width
from signaltok.parts import Decoder
from signaltok.types.token_stack import valid_mask


class QueryDecoder(Decoder):
    """latent [b, latent_dim, n] -> signal [b, channels, *grid * stride], for any n up to tokens."""

    receptive_field = None  # attention looks at the whole sequence

    def __init__(
        self, *, axes: int, channels: int, stride: int, width: int, depth: int, heads: int, latent_dim: int, tokens: int
    ) -> None:
        super().__init__()
        check_axes(axes)
        check_width(axes, width, heads)
        check_tokens(tokens)
        self.axes, self.channels, self.latent_dim, self.tokens = axes, channels, latent_dim, tokens
        self.stride = (stride,) * axes
        self.embed = nn.Linear(latent_dim, width)
        self.places = learned(tokens, width)
        self.mask_token = learned(1, width)
        self.transformer = QueryTransformer(width=width, depth=depth, heads=heads)
        self.project = conv(axes, width, channels * stride**axes, 1)

    def forward(
        self,
        z_q: Float[Tensor, "b d n"],
        lengths: Int64[Tensor, "b 1"] | None,
        grid: tuple[int, ...] | None = None,
        grid_lengths: Int64[Tensor, "b axes"] | None = None,
    ) -> Float[Tensor, "b c *s"]:
        """See Decoder; grid must be given."""
        assert grid is not None, "the size of the signal does not follow from a sequence of tokens"
        count = z_q.shape[2]
        assert count <= self.places.shape[0], f"{count} tokens, but this decoder has {self.places.shape[0]}"
        token_mask = None if lengths is None else valid_mask(lengths, (count,))
        patch_mask = None if grid_lengths is None else valid_mask(grid_lengths, grid)
        cells = torch.tensor([grid]) if grid_lengths is None else grid_lengths
        tokens = self.embed(silence(z_q, token_mask).transpose(1, 2)) + self.places[:count]
        start = self.mask_token.view(1, -1, *[1] * len(grid)).expand(len(z_q), -1, *grid)
        points = token_points(count, cells.to(z_q.device))
        patches, _ = self.transformer(start, tokens, points, patch_mask, token_mask)
        return depth_to_space(self.project(patches), self.stride[0])
