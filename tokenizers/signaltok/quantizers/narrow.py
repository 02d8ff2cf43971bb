"""A residual stack of factorised levels computed in the levels' own few dimensions, by exact algebra.

Level q reads A_q r_q + a_q of what is left, r_q = z - sum_{j<q} (B_j e_j + b_j), where e_j is the code vector (its
estimator) of level j. Both maps being linear,

    A_q r_q + a_q = A_q z + a_q - sum_{j<q} A_q (B_j e_j + b_j),

so z meets the maps of all levels in one product, and from level to level only the products A_q B_j of a few dimensions
are needed: no residual as wide as the latent is ever written. z_q = sum_j (B_j e_j + b_j) is one product too. Values
and gradients are those of the stack written out, up to rounding.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.parts import Quantizer
from signaltok.quantizers.codebook.vector import VectorQuantizer


class NarrowStack:
    """The maps of the levels side by side; built anew for every call, as they learn.

    A constant is one more dimension: beside the inner latent of every level stands a one that b_j goes with, zero
    where an item does not use the level.
    """

    def __init__(self, levels: list[VectorQuantizer]) -> None:
        self.levels = levels
        self.width = levels[0].codebook_dim
        down, up = zip(*(_maps(level) for level in levels), strict=True)
        self.down = torch.cat([layer.weight for layer in down])
        self.constants = torch.cat([layer.bias for layer in down])
        self.up = torch.cat([torch.cat([layer.weight, layer.bias[:, None]], dim=1) for layer in up], dim=1)
        self.across = self.down @ self.up

    @torch.no_grad()
    def encode(self, rows: Float[Tensor, "n d"]) -> list[Int64[Tensor, " n"]]:
        """The codes of every level."""
        latents, codes = self._latents(rows), []
        said = rows.new_ones(len(rows), self.up.shape[1])
        for number, level in enumerate(self.levels):
            codes.append(level.encode_rows(self._left(latents, said, number)))
            said[:, self._said(number)][:, :-1] = level.table.vectors[codes[-1]]
        return codes

    def decode(self, codes: list[Int64[Tensor, " n"]]) -> Float[Tensor, "n d"]:
        """The sum of as many levels as there are codes for."""
        ones = self.up.new_ones(len(codes[0]), 1)
        said = [
            part for level, own in zip(self.levels, codes, strict=False) for part in (level.table.vectors[own], ones)
        ]
        return torch.cat(said, dim=1) @ self.up[:, : len(codes) * (self.width + 1)].T

    def learn(
        self, rows: Float[Tensor, "n d"], used: Bool[Tensor, "n q"] | None
    ) -> tuple[Float[Tensor, "n d"], list[Int64[Tensor, " n"]], dict[str, Tensor]]:
        """The sum of the levels that each row uses (None: all), the codes of every level, and the losses' means."""
        latents, codes, losses = self._latents(rows), [], []
        said, ones = rows.new_zeros(len(rows), 0), rows.new_ones(len(rows), 1)
        for number, level in enumerate(self.levels):
            own = None if used is None else used[:, number]
            estimated, found, lost = level.learn_rows(self._left(latents, said, number), own)
            constant = ones if own is None else own[:, None].to(rows.dtype)
            said = torch.cat([said, estimated, constant], dim=1)
            codes.append(found)
            losses.append(lost)
        means = {name: torch.stack([own[name] for own in losses]).mean() for name in losses[0]}
        return said @ self.up.T, codes, means

    def _latents(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n inner"]:
        return torch.addmm(self.constants, rows, self.down.T)

    def _said(self, number: int) -> slice:
        return slice(number * (self.width + 1), (number + 1) * (self.width + 1))

    def _left(self, latents: Tensor, said: Tensor, number: int) -> Float[Tensor, "n width"]:
        """The inner latent of a level: what the levels before it, which fill the front of `said`, left of its own."""
        own = slice(number * self.width, (number + 1) * self.width)
        if number == 0:
            return latents[:, own]
        before = slice(0, self._said(number).start)
        return torch.addmm(latents[:, own], said[:, before], self.across[own, before].T, alpha=-1)


def narrow_levels(levels: list[Quantizer]) -> list[VectorQuantizer] | None:
    """The levels, where all of them reach fewer dimensions than the latent has by linear maps; else None."""
    found = [level for level in levels if isinstance(level, VectorQuantizer) and level.codebook_dim < level.latent_dim]
    return found if len(found) == len(levels) else None


def _maps(level: VectorQuantizer) -> tuple[nn.Linear, nn.Linear]:
    assert isinstance(level.project_in, nn.Linear) and isinstance(level.project_out, nn.Linear)
    return level.project_in, level.project_out
