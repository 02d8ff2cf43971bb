"""The Vision Transformer as an encoder (Dosovitskiy et al. 2021, equation 1): patches, coordinates, blocks.

A picture of 224 x 224 at stride 16 becomes 14 x 14 = 196 tokens; any other size becomes its own number.
"""

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.conv import check_axes, conv
from signaltok.layers.patches import embedded_patches, patch_embedding
from signaltok.layers.transformer import GridTransformer, check_width
from signaltok.parts import Encoder


class ViTEncoder(Encoder):
    """signal [b, channels, *s] -> latent [b, latent_dim, *ceil(s / stride)]; a patch is stride wide on each axis."""

    receptive_field = None  # attention looks at the whole signal

    def __init__(
        self, *, axes: int, channels: int, stride: int, width: int, depth: int, heads: int, latent_dim: int
    ) -> None:
        super().__init__()
        check_axes(axes)
        check_width(axes, width, heads)
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride,) * axes
        self.embed = patch_embedding(axes, channels * stride**axes, width)
        self.transformer = GridTransformer(width=width, depth=depth, heads=heads)
        self.project = conv(axes, width, latent_dim, 1)

    def forward(
        self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None
    ) -> Float[Tensor, "b d *l"]:
        """See Encoder."""
        x, mask = embedded_patches(self.embed, signal, lengths, self.stride)
        return self.project(self.transformer(x, mask))
