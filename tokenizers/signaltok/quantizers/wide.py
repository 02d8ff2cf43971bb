"""A residual stack of codebooks as wide as its latent that learn by averages: no graph, one backward pass.

No part of such levels is learned by gradients, and what a level's commitment measures is what it leaves to the next,

    L_q = mean |r_q - sg[e_q]|^2 = mean |r_{q+1}|^2    over the n_q rows that use level q, of d dimensions,

so with the mean over Q levels the gradient is known while the levels are gone through: dL / dz = sum_q 2 r_{q+1} /
(Q n_q d). Codes and sums are those of the stack written out, loss and gradient too up to rounding.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from signaltok.exactness import full_precision
from signaltok.parts import Quantizer
from signaltok.processes import part_of_group_mean
from signaltok.quantizers.codebook.vector import VectorQuantizer


class WideStack:
    """Levels that read what is left as it is."""

    def __init__(self, levels: list[VectorQuantizer]) -> None:
        self.levels = levels

    @torch.no_grad()
    def encode(self, rows: Float[Tensor, "n d"]) -> list[Int64[Tensor, " n"]]:
        """The codes of every level."""
        left, codes = full_precision(rows).clone(), []
        for level in self.levels:
            codes.append(level.encode_rows(left))
            left.sub_(level.table.vectors[codes[-1]])
        return codes

    def learn(
        self, rows: Float[Tensor, "n d"], used: Bool[Tensor, "n q"] | None
    ) -> tuple[Float[Tensor, "n d"], list[Int64[Tensor, " n"]], dict[str, Tensor]]:
        """The sum of the levels that each row uses (None: all), the codes of every level, and the losses' means."""
        with torch.no_grad():
            left, total, pull = rows.detach().clone(), torch.zeros_like(rows), torch.zeros_like(rows)
            shares, codes, squares = self._shares(rows, used), [], []
            for number, (level, share) in enumerate(zip(self.levels, shares, strict=True)):
                if used is None:
                    found, q = level.assign(left)
                    rest = left.sub_(q)
                    total.add_(q)
                    pull.addcmul_(rest, share)
                else:
                    own = used[:, number].nonzero()[:, 0]
                    taken, q = level.assign(left[own])
                    rest = left[own] - q
                    left.index_copy_(0, own, rest)
                    total.index_add_(0, own, q)
                    pull.index_add_(0, own, rest * share)
                    found = torch.zeros(len(rows), dtype=torch.int64, device=rows.device).index_copy_(0, own, taken)
                codes.append(found)
                squares.append(rest.square().sum())
            commitment = (torch.stack(squares) * shares).sum()
        z_q, commitment = _Learned.apply(rows, total, commitment, 2 * pull)  # type: ignore[misc]
        return z_q, codes, {"commitment": commitment}

    def _shares(self, rows: Float[Tensor, "n d"], used: Bool[Tensor, "n q"] | None) -> Float[Tensor, " q"]:
        """1 / (Q n_q d) for every level; with several processes its part of the group's mean."""
        count, width = len(self.levels), rows.shape[1]
        users = torch.full((count,), len(rows), device=rows.device) if used is None else used.sum(0)
        return part_of_group_mean(1 / (users.clamp_min(1) * (count * width)).to(rows.dtype), users)


class _Learned(torch.autograd.Function):
    """rows -> the sum of the levels, with gradient one, and the commitment, with the gradient that is told."""

    @staticmethod
    def forward(context: Any, rows: Tensor, total: Tensor, commitment: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        del rows
        context.save_for_backward(pull)
        return total.view_as(total), commitment.view_as(commitment)

    @staticmethod
    @once_differentiable
    def backward(context: Any, of_total: Tensor, of_commitment: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (pull,) = context.saved_tensors
        return torch.addcmul(of_total, pull, of_commitment), None, None, None


def wide_levels(levels: list[Quantizer]) -> list[VectorQuantizer] | None:
    """The levels, where all of them quantize their latent as it is and learn by averages alone; else None."""
    found = [
        level
        for level in levels
        if isinstance(level, VectorQuantizer)
        and level.codebook_dim == level.latent_dim
        and level.metric == "euclidean"
        and not level.update.losses
    ]
    return found if len(found) == len(levels) else None
