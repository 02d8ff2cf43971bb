"""Two grids, the finer conditioned on the quantized coarser one: VQ-VAE-2 (Razavi et al. 2019, algorithm 1).

    h_top = E_top(z),   e_top = Q_top(h_top),   h_bottom = mix(z, D_top(e_top)),   e_bottom = Q_bottom(h_bottom),

and the decoder sees both, e_top brought to the bottom's grid by a transposed convolution.

What differs from the paper. There E_top goes on from the features of the bottom encoder, with as many channels as it
has; here from the latent z, which the tokenizer's encoder has made narrow (set encoder.latent_dim as wide as its last
width to have the paper's). There the decoder reads the two grids side by side; here a linear layer joins them into
the latent that every decoder reads. Losses are means over the two grids, the paper's are sums.
A multiscale quantizer cannot stand for this one: its levels add up in one space, and nothing is learned between them.
"""

from typing import cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import CONVOLUTIONS, TRANSPOSED, ResidualBlock, check_axes, conv, silence
from signaltok.layers.resample import pad_to_multiple
from signaltok.parts import Quantizer
from signaltok.quantizers.projection import check_one_grid, pointwise
from signaltok.types.quantized import Quantized
from signaltok.types.token_stack import grid_lengths, grid_size, mask_lengths, valid_mask


class HierarchicalQuantizer(Quantizer):
    """Levels: those of `top`, on a grid of half the latent's resolution, then those of `bottom` on the latent's.

    axes: of the latent. width, depth: channels and residual blocks of E_top and of D_top. top, bottom: quantizers
    whose latent_dim is the width of their own latent; they have the same losses. Each passes the gradient by its own
    estimator to its own latent.
    """

    def __init__(
        self, *, latent_dim: int, axes: int, width: int, depth: int, top: Quantizer, bottom: Quantizer
    ) -> None:
        super().__init__()
        check_axes(axes)
        check_one_grid(top)
        check_one_grid(bottom)
        if top.loss_names() != bottom.loss_names():
            raise ValueError(
                f"top and bottom must have the same losses, got {sorted(top.loss_names())} and "
                f"{sorted(bottom.loss_names())}"
            )
        self.latent_dim, self.axes = latent_dim, axes
        self.down = CONVOLUTIONS[axes](latent_dim, width, 2, stride=2)
        self.encode_top = nn.ModuleList(ResidualBlock(axes=axes, width=width) for _ in range(depth))
        self.to_top = conv(axes, width, top.latent_dim, 1)
        self.top = top
        self.from_top = conv(axes, top.latent_dim, width, 3)
        self.decode_top = nn.ModuleList(ResidualBlock(axes=axes, width=width) for _ in range(depth))
        self.up = TRANSPOSED[axes](width, width, 2, stride=2)
        self.to_bottom = nn.Linear(latent_dim + width, bottom.latent_dim)
        self.bottom = bottom
        self.raise_top = TRANSPOSED[axes](top.latent_dim, top.latent_dim, 2, stride=2)
        self.join = nn.Linear(top.latent_dim + bottom.latent_dim, latent_dim)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return self.top.codebook_sizes + self.bottom.codebook_sizes

    @property
    def level_strides(self) -> tuple[int, ...]:
        """See Quantizer."""
        return (2,) * len(self.top.codebook_sizes) + (1,) * len(self.bottom.codebook_sizes)

    @property
    def factorised(self) -> bool:
        """See Quantizer."""
        return True

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return self.top.loss_names()

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b ..."], ...]:
        """See Quantizer."""
        top = self.top.encode(self._above(z, None, None))
        return (*top, *self.bottom.encode(self._below(z, self.top.decode(top), None, None)))

    def decode(self, codes: tuple[Int64[Tensor, "b ..."], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer. Raises ValueError for one grid alone: the join has learned from both."""
        if len(codes) != len(self.codebook_sizes):
            raise ValueError(
                f"both grids decode together: give all {len(self.codebook_sizes)} levels, got {len(codes)}"
            )
        border = len(self.top.codebook_sizes)
        return self._joined(self.top.decode(codes[:border]), self.bottom.decode(codes[border:]))

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        z = silence(z, mask)
        coarse = None if mask is None else _halved(mask)
        top = self.top(self._above(z, mask, coarse), coarse)
        e_top = silence(top.z_q, coarse)
        bottom = self.bottom(self._below(z, e_top, mask, coarse), mask)
        active = [part.active for part in (top, bottom) if part.active is not None]
        return Quantized(
            z_q=silence(self._joined(e_top, silence(bottom.z_q, mask)), mask),
            codes=top.codes + bottom.codes,
            losses={name: (value + bottom.losses[name]) / 2 for name, value in top.losses.items()},
            active=torch.cat(active, dim=1) if active else None,
        )

    def _above(self, z: Tensor, mask: Tensor | None, coarse: Tensor | None) -> Float[Tensor, "b d_top *half"]:
        """E_top. An odd end is completed with zeros, which is what stands beyond an item's end inside a batch."""
        h = self.down(pad_to_multiple(silence(z, mask), 2))
        for block in self.encode_top:
            h = cast(ResidualBlock, block)(h, coarse)
        return self.to_top(h)

    def _below(
        self, z: Tensor, e_top: Tensor, mask: Tensor | None, coarse: Tensor | None
    ) -> Float[Tensor, "b d_bottom *l"]:
        """What the bottom quantizes: the latent beside D_top."""
        h = self.from_top(e_top)
        for block in self.decode_top:
            h = cast(ResidualBlock, block)(h, coarse)
        h = self.up(h)[(..., *(slice(0, n) for n in z.shape[2:]))]
        return silence(pointwise(self.to_bottom, torch.cat([z, h], dim=1)), mask)

    def _joined(self, e_top: Tensor, e_bottom: Tensor) -> Float[Tensor, "b d *l"]:
        raised = self.raise_top(e_top)[(..., *(slice(0, n) for n in e_bottom.shape[2:]))]
        return pointwise(self.join, torch.cat([raised, e_bottom], dim=1))


def _halved(mask: Bool[Tensor, "b 1 *l"]) -> Bool[Tensor, "b 1 *half"]:
    """The valid positions of the coarse grid: those that have a valid cell."""
    half = (2,) * (mask.ndim - 2)
    return valid_mask(grid_lengths(mask_lengths(mask), half), grid_size(tuple(mask.shape[2:]), half))
