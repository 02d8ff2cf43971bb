"""The convolutional decoder: the mirror of encoders.conv, out of the latent by depth to space."""

from itertools import pairwise

from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import TRANSPOSED, ResidualBlock, check_axes, conv, silence
from signaltok.layers.resample import depth_to_space, patch_of
from signaltok.parts import Decoder
from signaltok.types.token_stack import valid_mask


class ConvDecoder(Decoder):
    """latent [b, latent_dim, *l] -> signal [b, channels, *l * stride].

    widths: channels of each resolution, coarsest first; depth: residual blocks of each.
    """

    def __init__(
        self, *, axes: int, channels: int, stride: int, widths: list[int], depth: int, latent_dim: int
    ) -> None:
        super().__init__()
        check_axes(axes)
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride,) * axes
        self.patch = patch_of(stride, widths)
        self.stem = conv(axes, latent_dim, widths[0], 3)
        self.stages = nn.ModuleList(
            nn.ModuleList(ResidualBlock(axes=axes, width=width) for _ in range(depth)) for width in widths
        )
        self.up = nn.ModuleList(TRANSPOSED[axes](coarse, fine, 2, stride=2) for coarse, fine in pairwise(widths))
        self.project = conv(axes, widths[-1], channels * self.patch**axes, 3)
        # In latent positions: the stem looks one aside; a stage at scale 2^n looks depth / 2^n aside, the last layer
        # one position of the finest grid.
        fine = 2 ** (len(widths) - 1)
        reach = fine + sum(depth * fine // 2**n for n in range(len(widths))) + 1
        self.receptive_field = (-(-reach // fine),) * axes

    def forward(self, z_q: Float[Tensor, "b d *l"], lengths: Int64[Tensor, "b axes"] | None) -> Float[Tensor, "b c *s"]:
        """See Decoder."""
        x, mask = z_q, None
        for number, blocks in enumerate(self.stages):
            if number:
                x = self.up[number - 1](x)
            if lengths is not None:
                mask = valid_mask(lengths * 2**number, tuple(x.shape[2:]))
            if number == 0:
                x = self.stem(silence(x, mask))
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, mask)
        return depth_to_space(self.project(silence(x, mask)), self.patch)
