"""Learned queries as an encoder: a sequence of a fixed number of tokens, whatever the size of the signal.

TiTok (Yu et al. 2024, section 3.2): patches and queries go through one Vision Transformer, and what the queries have
become is the latent. A picture's content is no longer tied to places, so fewer tokens than patches can hold it.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.conv import check_axes, conv
from signaltok.layers.patches import embedded_patches, patch_embedding
from signaltok.layers.query import QueryTransformer, check_tokens, learned, token_points
from signaltok.layers.tail import TailDrop
from signaltok.layers.transformer import check_width
from signaltok.parts import Encoder
from signaltok.types.token_stack import grid_lengths


class QueryEncoder(Encoder):
    """signal [b, channels, *s] -> latent [b, latent_dim, tokens]; a patch is stride wide on each axis.

    tail_drop: in training, how many of its tokens each item keeps (FlexTok, One-D-Piece); None: always all.
    """

    receptive_field = None  # attention looks at the whole signal

    def __init__(
        self,
        *,
        axes: int,
        channels: int,
        stride: int,
        width: int,
        depth: int,
        heads: int,
        latent_dim: int,
        tokens: int,
        tail_drop: TailDrop | None,
    ) -> None:
        super().__init__()
        check_axes(axes)
        check_width(axes, width, heads)
        check_tokens(tokens)
        self.axes, self.channels, self.latent_dim, self.tokens = axes, channels, latent_dim, tokens
        self.stride = (stride,) * axes
        self.embed = patch_embedding(axes, channels * stride**axes, width)
        self.queries = learned(tokens, width)
        self.transformer = QueryTransformer(width=width, depth=depth, heads=heads)
        self.project = conv(1, width, latent_dim, 1)
        self.tail_drop = tail_drop
        if tail_drop is not None:
            tail_drop.choices(tokens)

    def kept(self, signal: Float[Tensor, "b c *s"]) -> Int64[Tensor, " b"] | None:
        """See Encoder."""
        return None if self.tail_drop is None else self.tail_drop.kept(signal, self.queries.shape[0])

    def forward(
        self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None
    ) -> Float[Tensor, "b d n"]:
        """See Encoder."""
        x, mask = embedded_patches(self.embed, signal, lengths, self.stride)
        grid = torch.tensor([x.shape[2:]]) if lengths is None else grid_lengths(lengths, self.stride)
        points = token_points(len(self.queries), grid.to(x.device))
        _, tokens = self.transformer(x, self.queries[None], points, mask, None)
        return self.project(tokens.transpose(1, 2))
