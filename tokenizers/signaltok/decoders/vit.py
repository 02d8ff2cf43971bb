"""The Vision Transformer as a decoder (ViT-VQGAN, Yu et al. 2022, section 3.1): the mirror of encoders.vit."""

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.conv import check_axes, conv, silence
from signaltok.layers.resample import depth_to_space
from signaltok.layers.transformer import GridTransformer, check_width
from signaltok.parts import Decoder
from signaltok.types.token_stack import valid_mask


class ViTDecoder(Decoder):
    """latent [b, latent_dim, *l] -> signal [b, channels, *l * stride]."""

    receptive_field = None  # attention looks at the whole latent

    def __init__(
        self, *, axes: int, channels: int, stride: int, width: int, depth: int, heads: int, latent_dim: int
    ) -> None:
        super().__init__()
        check_axes(axes)
        check_width(axes, width, heads)
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride,) * axes
        self.embed = conv(axes, latent_dim, width, 1)
        self.transformer = GridTransformer(width=width, depth=depth, heads=heads)
        self.project = conv(axes, width, channels * stride**axes, 1)

    def forward(self, z_q: Float[Tensor, "b d *l"], lengths: Int64[Tensor, "b axes"] | None) -> Float[Tensor, "b c *s"]:
        """See Decoder."""
        mask = None if lengths is None else valid_mask(lengths, tuple(z_q.shape[2:]))
        x = self.transformer(self.embed(silence(z_q, mask)), mask)
        return depth_to_space(self.project(x), self.stride[0])
