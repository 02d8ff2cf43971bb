"""Identification: from its anchor, pick a position's own code vector among those of other positions (InfoNCE).

van den Oord, Li, Vinyals: "Representation Learning with Contrastive Predictive Coding" (2018), equation 4, with the
quantized targets of wav2vec 2.0 (Baevski et al. 2020, equation 3). With anchors h_i and code vectors q_j,

    loss = mean_i -log [ exp(cos(h_i, q_i) / tau) / sum over j in {i} and N(i) of exp(cos(h_i, q_j) / tau) ],

ln(1 + |N|) where all scores are equal, and a lower bound of the information between h and q up to that constant.
Negatives that equal the positive are kept, so that a codebook of which one code is left costs ln(1 + |N|), or masked,
as wav2vec 2.0 does, so that it costs nothing.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from signaltok.parts import Part
from signaltok.processes import in_group, part_of_group_mean, sum_over_group
from signaltok.quantizers.distributed import rows_of_group, take_rows

TIES = ("keep", "mask")
NEGATIVES = ("item", "batch")


class Identification(Part):
    """The loss, and how its negatives are drawn.

    temperature: tau. ties: "keep" or "mask". num_negatives: |N|, or all there are where there are fewer. negatives:
    "batch", positions of any item of the whole group's batch; "item", of the position's own item. A set of positions
    is drawn once a step (once an item), without repetition, and serves every position but for itself: scores are a
    matrix of positions x (num_negatives + 1), and nothing larger is held.
    """

    def __init__(self, *, temperature: float, ties: str, num_negatives: int, negatives: str) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        if ties not in TIES:
            raise ValueError(f"ties must be one of {TIES}, got {ties!r}")
        if num_negatives < 1:
            raise ValueError(f"num_negatives must be at least 1, got {num_negatives}")
        if negatives not in NEGATIVES:
            raise ValueError(f"negatives must be one of {NEGATIVES}, got {negatives!r}")
        self.temperature, self.ties = temperature, ties
        self.num_negatives, self.negatives = num_negatives, negatives

    def __call__(
        self,
        anchors: Float[Tensor, "n d"],
        targets: Float[Tensor, "n d"],
        names: Int64[Tensor, "n g"],
        positions: Int64[Tensor, " b"],
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """The loss in nats, of several processes a part of the group's mean; zero, with its gradient, without rows.

        anchors, targets: h and q at this process's valid positions, item after item; the gradient goes to both, also
        to targets of other processes. names: equal where targets are. positions: how many rows each item has.
        generator: in the same state on every process.
        """
        anchors, targets = F.normalize(anchors, dim=1), F.normalize(targets, dim=1)
        if self.negatives == "batch":
            each = self._among_batch(anchors, targets, names, generator)
        else:
            each = self._among_items(anchors, targets, names, positions, generator)
        return part_of_group_mean(each.mean() if len(each) else each.sum(), len(each))

    def _among_batch(
        self, anchors: Tensor, targets: Tensor, names: Tensor, generator: torch.Generator
    ) -> Float[Tensor, " n"]:
        total, before = rows_of_group(targets)
        chosen = torch.randperm(total, generator=generator)[: self.num_negatives + 1].to(targets.device)
        candidates = _Take.apply(targets, chosen, before) if in_group() else targets[chosen]
        own = torch.arange(before, before + len(anchors), device=targets.device)
        return self._each(anchors, targets, names, own, candidates, take_rows(names, chosen, before), chosen)  # type: ignore[arg-type]

    def _among_items(
        self, anchors: Tensor, targets: Tensor, names: Tensor, positions: Tensor, generator: torch.Generator
    ) -> Float[Tensor, " n"]:
        base = int(torch.randint(2**62, (), generator=generator))
        _, before = rows_of_group(positions)  # a generator an item: none draws for the items of others
        losses = [(anchors * targets).sum(1)[:0]]
        start = 0
        for item, count in enumerate(positions.tolist()):
            rows = slice(start, start + count)
            order = torch.randperm(count, generator=torch.Generator().manual_seed(base + before + item))
            chosen = order[: self.num_negatives + 1].to(targets.device)
            own = torch.arange(count, device=targets.device)
            of_item, called = targets[rows], names[rows]
            losses.append(self._each(anchors[rows], of_item, called, own, of_item[chosen], called[chosen], chosen))
            start += count
        return torch.cat(losses)

    def _each(
        self,
        anchors: Float[Tensor, "n d"],
        targets: Float[Tensor, "n d"],
        names: Int64[Tensor, "n g"],
        own: Int64[Tensor, " n"],
        candidates: Float[Tensor, "m d"],
        candidate_names: Int64[Tensor, "m g"],
        chosen: Int64[Tensor, " m"],
    ) -> Float[Tensor, " n"]:
        """Loss of every anchor; own, chosen: places of the anchors and of the candidates among all positions."""
        positive = (anchors * targets).sum(1, keepdim=True) / self.temperature
        scores = anchors @ candidates.T / self.temperature
        barred = _without_own(own, chosen)
        if self.ties == "mask":
            barred |= _equal(names, candidate_names)
        scores = torch.cat([positive, scores.masked_fill(barred, -torch.inf)], 1)
        return scores.logsumexp(1) - positive[:, 0]


def _without_own(own: Int64[Tensor, " n"], chosen: Int64[Tensor, " m"]) -> Bool[Tensor, "n m"]:
    """True at a position's own place among the candidates; at the last of them where it is none: all have as many."""
    barred = own[:, None] == chosen[None]
    barred[:, -1:] |= ~barred.any(1, keepdim=True)
    return barred


def _equal(names: Int64[Tensor, "n g"], others: Int64[Tensor, "m g"]) -> Bool[Tensor, "n m"]:
    equal = names[:, :1] == others[None, :, 0]
    for group in range(1, names.shape[1]):
        equal &= names[:, group, None] == others[None, :, group]
    return equal


@torch.no_grad()
def first_equal(vectors: Float[Tensor, "K d"]) -> Int64[Tensor, " K"]:
    """For each vector the number of a class of vectors that are equal to the bit."""
    return torch.unique(vectors, dim=0, return_inverse=True)[1]


class _Take(torch.autograd.Function):
    """take_rows with the gradient that all processes' losses have to the rows."""

    @staticmethod
    def forward(ctx, rows: Tensor, chosen: Tensor, before: int) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(chosen)
        ctx.before, ctx.shape = before, rows.shape
        return take_rows(rows, chosen, before)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (chosen,) = ctx.saved_tensors
        summed = sum_over_group(gradient.contiguous())
        own = (chosen >= ctx.before) & (chosen < ctx.before + ctx.shape[0])
        to_rows = summed.new_zeros(ctx.shape)
        to_rows[chosen[own] - ctx.before] = summed[own]
        return to_rows, None, None
