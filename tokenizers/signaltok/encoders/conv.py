"""A convolutional encoder in the manner of the VQ-VAE (van den Oord et al. 2017, section 4.1), over any axes.

The signal enters by space to depth, so that no layer works at full resolution; between the widths the grid halves.
"""

from itertools import pairwise

from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import CONVOLUTIONS, ResidualBlock, check_axes, conv, silence
from signaltok.layers.resample import pad_to_multiple, patch_of, space_to_depth
from signaltok.parts import Encoder
from signaltok.types.token_stack import grid_lengths, valid_mask


class ConvEncoder(Encoder):
    """signal [b, channels, *s] -> latent [b, latent_dim, *ceil(s / stride)].

    widths: channels of each resolution, finest first; depth: residual blocks of each.
    """

    def __init__(
        self, *, axes: int, channels: int, stride: int, widths: list[int], depth: int, latent_dim: int
    ) -> None:
        super().__init__()
        check_axes(axes)
        self.axes, self.channels, self.latent_dim = axes, channels, latent_dim
        self.stride = (stride,) * axes
        self.patch = patch_of(stride, widths)
        self.stem = conv(axes, channels * self.patch**axes, widths[0], 3)
        self.stages = nn.ModuleList(
            nn.ModuleList(ResidualBlock(axes=axes, width=width) for _ in range(depth)) for width in widths
        )
        self.down = nn.ModuleList(CONVOLUTIONS[axes](fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths))
        self.project = conv(axes, widths[-1], latent_dim, 1)
        reach = self.patch + sum(depth * self.patch * 2**n for n in range(len(widths)))
        self.receptive_field = (reach,) * axes

    def forward(
        self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None
    ) -> Float[Tensor, "b d *l"]:
        """See Encoder."""
        x = pad_to_multiple(signal, self.stride[0])
        if lengths is not None:
            x = silence(x, valid_mask(lengths, tuple(x.shape[2:])))
        x = space_to_depth(x, self.patch)
        # An item alone is completed to whole cells, and so an item of a batch is valid to the end of its last cell.
        cells = None if lengths is None else grid_lengths(lengths, self.stride)
        mask = None
        for number, blocks in enumerate(self.stages):
            if number:
                x = self.down[number - 1](silence(x, mask))
            if cells is not None:
                mask = valid_mask(cells * 2 ** (len(self.stages) - 1 - number), tuple(x.shape[2:]))
            if number == 0:
                x = self.stem(silence(x, mask))
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, mask)
        return self.project(x)
