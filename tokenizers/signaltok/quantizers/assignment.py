"""Which entry of a codebook stands for a vector while it learns, and how gradients pass the choice.

Vectors u and entries e lie on the unit sphere; a_v = u . e_v / temperature is the affinity to entry v, p = softmax(a).
Always the entry that was chosen gets the gradient of the value. Entries inside p are held constant, so that an entry
that nothing chose gets none through here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.exactness import exact_arithmetic
from signaltok.parts import Part
from signaltok.quantizers.distributed import rows_of_group
from signaltok.quantizers.gumbel_noise import ROWS_A_DRAW, exponential_block, to_gumbel
from signaltok.quantizers.softmax_tiles import propagate


@dataclass(frozen=True)
class Assigned:
    """codes: the chosen entries. decoded: those entries, of which z_q is made. identified: the same, for the loss.

    The two differ in their gradients.
    """

    codes: Int64[Tensor, " n"]
    decoded: Float[Tensor, "n d"]
    identified: Float[Tensor, "n d"]


class Assignment(Part, ABC):
    """Chooses entries in training; what encode chooses is always the nearest one."""

    @abstractmethod
    def __call__(
        self,
        u: Float[Tensor, "n d"],
        entries: Float[Tensor, "K d"],
        nearest: Int64[Tensor, " n"],
        *,
        temperature: float,
        progress: float,
        generator: torch.Generator,
    ) -> Assigned:
        """Choose for every row.

        nearest: the entry nearest to each u. temperature: of the affinities. progress: share of the run that is done.
        generator: in the same state on every process.
        """


class NearestAssignment(Assignment):
    """The nearest entry. decoded passes the gradient to u straight through, exactly one.

    identified has the one-hot of the choice forward and p backward: du = sum_v p_v (g . e_v - sum_w p_w g . e_w) e_v /
    temperature for the gradient g. That is how positions which all chose one entry are told apart again.
    """

    def __call__(
        self,
        u: Float[Tensor, "n d"],
        entries: Float[Tensor, "K d"],
        nearest: Int64[Tensor, " n"],
        *,
        temperature: float,
        progress: float,  # noqa: ARG002
        generator: torch.Generator,  # noqa: ARG002
    ) -> Assigned:
        """See Assignment."""
        chosen = entries[nearest]
        soft = propagate(u / temperature, entries.detach(), nearest)
        return Assigned(codes=nearest, decoded=_both(u, chosen), identified=_both(soft, chosen))


class GumbelAssignment(Assignment):
    """A sample: the entry of the highest a_v + Gumbel noise forward, y = softmax((a + noise) / T) backward.

    Jang, Gu, Poole (2017), the straight-through form, as wav2vec 2.0 has it (Baevski et al. 2020, section 2). T falls
    by a constant factor a step, from start to end, which it reaches at the share `until` of the run. Noise is drawn in
    blocks and drawn again for the backward pass: never positions x entries at a time.
    """

    def __init__(self, *, start: float, end: float, until: float) -> None:
        if not 0 < end <= start or not 0 < until <= 1:
            raise ValueError(
                "start and end must be positive and not rise, and until is a share of the run above 0; got "
                f"start={start}, end={end}, until={until}"
            )
        self.start, self.end, self.until = start, end, until

    def temperature(self, progress: float) -> float:
        """T at a share of the run."""
        return self.start * (self.end / self.start) ** min(1.0, progress / self.until)

    def __call__(
        self,
        u: Float[Tensor, "n d"],
        entries: Float[Tensor, "K d"],
        nearest: Int64[Tensor, " n"],  # noqa: ARG002
        *,
        temperature: float,
        progress: float,
        generator: torch.Generator,
    ) -> Assigned:
        """See Assignment; decoded and identified are the same."""
        seed = int(torch.randint(2**62, (), generator=generator))
        _, before = rows_of_group(u)
        noise = _Noise(seed, before, len(u), len(entries), u)
        codes = torch.empty(len(u), dtype=torch.int64, device=u.device)
        with torch.no_grad(), exact_arithmetic(u.device):
            for part, drawn in noise:
                codes[part] = (u[part] @ entries.T / temperature).add_(drawn).argmax(1)
        soft = _Relaxed.apply(u, entries.detach(), codes, noise, temperature, self.temperature(progress))
        value = _both(soft, entries[codes])  # type: ignore[arg-type]
        return Assigned(codes=codes, decoded=value, identified=value)


class _Noise:
    """The noise of our rows among the rows of all processes, a block of them at a time, the same every time."""

    def __init__(self, seed: int, before: int, rows: int, codes: int, like: Tensor) -> None:
        self.seed, self.before, self.rows, self.codes = seed, before, rows, codes
        self.dtype, self.device = like.dtype, like.device

    def __iter__(self) -> Iterator[tuple[slice, Float[Tensor, "m K"]]]:
        first, end = self.before // ROWS_A_DRAW, self.before + self.rows
        for number in range(first, -(-end // ROWS_A_DRAW)):
            start = number * ROWS_A_DRAW
            left, right = max(start, self.before), min(start + ROWS_A_DRAW, end)
            drawn = exponential_block(self.seed + number, self.codes, self.dtype)[left - start : right - start]
            yield slice(left - self.before, right - self.before), to_gumbel(drawn).to(self.device)


class _Relaxed(torch.autograd.Function):
    """entries[codes] with the gradient of y = softmax((u . e / temperature + noise) / T) to u."""

    @staticmethod
    def forward(ctx, u, entries, codes, noise, temperature, sharpness):  # type: ignore[override]
        ctx.save_for_backward(u, entries)
        ctx.noise, ctx.temperature, ctx.sharpness = noise, temperature, sharpness
        return entries[codes]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None, None, None]:  # type: ignore[override]
        u, entries = ctx.saved_tensors
        to_u = torch.zeros_like(u)
        with exact_arithmetic(u.device):
            for part, drawn in ctx.noise:
                y = (u[part] @ entries.T / ctx.temperature).add_(drawn).div_(ctx.sharpness).softmax(1)
                through = gradient[part] @ entries.T
                through = y * (through - (y * through).sum(1, keepdim=True))
                to_u[part] = through @ entries / (ctx.temperature * ctx.sharpness)
        return to_u, None, None, None, None, None


class _Both(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, value: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ARG004
        return value.view_as(value)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # noqa: ARG004
        return gradient, gradient


def _both(x: Float[Tensor, "n d"], value: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """value to the bit, its gradient to both."""
    return _Both.apply(x, value)  # type: ignore[return-value]
