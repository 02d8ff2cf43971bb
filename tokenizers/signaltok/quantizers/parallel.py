"""Levels that do not build on one another, each at a rate of its own (Jukebox, Dhariwal et al. 2020, section 3.2).

With z the latent, level k has an encoder E_k (strided convolutions), a codebook Q_k and a decoder D_k of its own:

    h_k = E_k(z),   c_k = Q_k(h_k),   z_k = D_k(look-up of c_k),

and every z_k alone stands for the latent: the coarsest codes decode without the finer ones, and the finer ones without
the coarser. The stack of all levels is decoded by its finest. In training each item is reconstructed from one of its
levels; the items of the batch (of all processes) are dealt to the levels in equal parts, anew at every step, so the
loss is an unbiased estimate of the mean of the levels' own. All levels quantize, and learn from, all items.

What differs from the paper: there the three autoencoders share nothing and are trained apart, each on every item; here
they share what stands outside this quantizer, so give encoder and decoder little to do (depth 0 at the finest hop).
"""

import copy
from typing import cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import CONVOLUTIONS, TRANSPOSED, ResidualBlock, check_axes, conv, silence
from signaltok.layers.draws import Draws, rows_of_group
from signaltok.layers.resample import pad_to_multiple
from signaltok.parts import Quantizer
from signaltok.quantizers.distributed import draw_apart
from signaltok.quantizers.projection import check_one_grid
from signaltok.types.quantized import Quantized
from signaltok.types.token_stack import grid_lengths, grid_size, mask_lengths, valid_mask

Masks = list[Tensor | None]  # of the latent's grid, of half of it, of a quarter, and so on


class ParallelQuantizer(Quantizer):
    """One level a stride, coarsest first.

    axes: of the latent. strides: of the levels' grids against the latent's, descending powers of two, the last 1.
    width, depth: channels, and residual blocks at every resolution, of each E_k and D_k. level: a quantizer over the
    last layer of E_k, copied for every stride. Losses are means over the levels under the level's own names. Each
    level passes the gradient by its own estimator to its own h_k, and `active` says which one z_q shows of an item.
    """

    def __init__(
        self, *, latent_dim: int, axes: int, strides: list[int], width: int, depth: int, level: Quantizer
    ) -> None:
        super().__init__()
        check_axes(axes)
        strides = list(strides)
        powers = all(stride >= 1 and stride & (stride - 1) == 0 for stride in strides)
        if not powers or strides != sorted(set(strides), reverse=True) or strides[-1:] != [1]:
            raise ValueError(f"strides must be descending powers of two that end with 1, each once, got {strides}")
        check_one_grid(level)
        self.latent_dim, self.strides = latent_dim, tuple(strides)
        self.halvings = tuple(stride.bit_length() - 1 for stride in strides)
        sizes = {"axes": axes, "latent_dim": latent_dim, "width": width, "depth": depth, "inner_dim": level.latent_dim}
        self.encoders = nn.ModuleList(_LevelEncoder(halvings=count, **sizes) for count in self.halvings)
        self.levels = nn.ModuleList(copy.deepcopy(level) for _ in strides)
        for number, copied in enumerate(self.levels):
            draw_apart(copied, number)
        self.decoders = nn.ModuleList(_LevelDecoder(halvings=count, **sizes) for count in self.halvings)
        self.draws = Draws()

    def _quantizers(self) -> list[Quantizer]:
        return list(self.levels)  # type: ignore[arg-type]

    @property
    def _per_level(self) -> int:
        return len(self._quantizers()[0].codebook_sizes)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return tuple(size for level in self._quantizers() for size in level.codebook_sizes)

    @property
    def level_strides(self) -> tuple[int, ...]:
        """See Quantizer."""
        return tuple(stride for stride in self.strides for _ in range(self._per_level))

    @property
    def factorised(self) -> bool:
        """See Quantizer."""
        return True

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return self._quantizers()[0].loss_names()

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b ..."], ...]:
        """See Quantizer."""
        masks: Masks = [None] * (self.halvings[0] + 1)
        inner = [encoder(z, masks) for encoder in self.encoders]
        return tuple(
            codes for level, h in zip(self._quantizers(), inner, strict=True) for codes in level.encode(h.contiguous())
        )

    def decode(self, codes: tuple[Int64[Tensor, "b ..."], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; all levels, of which the last has the latent's grid. Raises ValueError for fewer."""
        if len(codes) != len(self.codebook_sizes):
            raise ValueError(
                f"{len(codes)} of {len(self.codebook_sizes)} levels do not tell the size of the latent; "
                "give it to decode_levels"
            )
        return self.decode_levels(codes, tuple(codes[-1].shape[1:]))

    def decode_levels(
        self, codes: tuple[Int64[Tensor, "b ..."], ...], grid: tuple[int, ...]
    ) -> Float[Tensor, "b d *l"]:
        """See Quantizer: by the finest of the levels that there are codes for, alone."""
        count = len(codes) // self._per_level
        assert count, "decode needs the codes of at least one level"
        own = codes[(count - 1) * self._per_level : count * self._per_level]
        masks: Masks = [None] * (self.halvings[0] + 1)
        return self.decoders[count - 1](self._quantizers()[count - 1].decode(own), masks, grid)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        z, masks = silence(z, mask), _halved(mask, self.halvings[0])
        shown = self._shown(z)
        z_q, codes, losses = torch.zeros_like(z), [], {}
        for number, (level, halvings) in enumerate(zip(self._quantizers(), self.halvings, strict=True)):
            quantized = level(self.encoders[number](z, masks), masks[halvings])
            own = self.decoders[number](silence(quantized.z_q, masks[halvings]), masks, tuple(z.shape[2:]))
            z_q = torch.where((shown == number).view(-1, *[1] * (z.ndim - 1)), own, z_q)
            codes.extend(quantized.codes)
            for name, value in quantized.losses.items():
                losses[name] = losses.get(name, 0) + value / len(self.levels)
        active = (shown[:, None] == torch.arange(len(self.levels), device=z.device)).repeat_interleave(
            self._per_level, dim=1
        )
        return Quantized(z_q=silence(z_q, mask), codes=tuple(codes), losses=losses, active=active)

    def _shown(self, z: Float[Tensor, "b d *l"]) -> Int64[Tensor, " b"]:
        """The level that each item shows: the items of all processes dealt out evenly, in an order drawn anew."""
        generator = self.draws.next()
        batch, before = rows_of_group(z)
        count = len(self.levels)
        place = torch.randperm(batch, generator=generator) + torch.randint(count, (), generator=generator)
        return (place % count)[before : before + len(z)].to(z.device)


class _LevelEncoder(nn.Module):
    """E_k: halved `halvings` times, residual blocks at every resolution."""

    def __init__(self, *, axes: int, latent_dim: int, width: int, depth: int, inner_dim: int, halvings: int) -> None:
        super().__init__()
        self.enter = conv(axes, latent_dim, width, 3)
        self.blocks = _blocks(axes, width, depth, halvings)
        self.down = nn.ModuleList(CONVOLUTIONS[axes](width, width, 2, stride=2) for _ in range(halvings))
        self.leave = conv(axes, width, inner_dim, 1)

    def forward(self, z: Float[Tensor, "b d *l"], masks: Masks) -> Float[Tensor, "b inner *coarse"]:
        """z, silent beyond each item's end, on the level's grid."""
        h = _through(self.blocks[0], self.enter(z), masks[0])
        for number, down in enumerate(self.down):
            h = down(pad_to_multiple(silence(h, masks[number]), 2))
            h = _through(self.blocks[number + 1], h, masks[number + 1])
        return self.leave(h)


class _LevelDecoder(nn.Module):
    """D_k: the mirror of E_k."""

    def __init__(self, *, axes: int, latent_dim: int, width: int, depth: int, inner_dim: int, halvings: int) -> None:
        super().__init__()
        self.enter = conv(axes, inner_dim, width, 3)
        self.blocks = _blocks(axes, width, depth, halvings)
        self.up = nn.ModuleList(TRANSPOSED[axes](width, width, 2, stride=2) for _ in range(halvings))
        self.leave = conv(axes, width, latent_dim, 1)

    def forward(
        self, z_q: Float[Tensor, "b inner *coarse"], masks: Masks, grid: tuple[int, ...]
    ) -> Float[Tensor, "b d *l"]:
        """Back to the latent's grid."""
        count = len(self.up)
        h = _through(self.blocks[count], self.enter(z_q), masks[count])
        for number in reversed(range(count)):
            size = grid_size(grid, (2**number,) * len(grid))
            h = self.up[number](h)[(..., *(slice(0, n) for n in size))]
            h = _through(self.blocks[number], h, masks[number])
        return self.leave(h)


def _blocks(axes: int, width: int, depth: int, halvings: int) -> nn.ModuleList:
    """Finest resolution first."""
    return nn.ModuleList(
        nn.ModuleList(ResidualBlock(axes=axes, width=width) for _ in range(depth)) for _ in range(halvings + 1)
    )


def _through(blocks: nn.Module, h: Tensor, mask: Tensor | None) -> Tensor:
    for block in cast(nn.ModuleList, blocks):
        h = block(h, mask)
    return h


def _halved(mask: Bool[Tensor, "b 1 *l"] | None, times: int) -> Masks:
    """The valid positions of every grid: those that have a valid cell."""
    masks: Masks = [mask]
    for _ in range(times):
        last = masks[-1]
        if last is None:
            masks.append(None)
            continue
        half = (2,) * (last.ndim - 2)
        masks.append(valid_mask(grid_lengths(mask_lengths(last), half), grid_size(tuple(last.shape[2:]), half)))
    return masks
