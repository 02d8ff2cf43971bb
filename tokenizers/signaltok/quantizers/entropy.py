"""The entropies that keep all codes of a product codebook in use, exactly and without a tokens x codes matrix.

Lookup-free quantizers (Yu et al. 2023, section 3.1; Zhao et al. 2024) are trained with

    E_n[H(p_n)] - gamma H(mean_n p_n),      p_n(c) = exp(-|z_n - c|^2 / tau) / sum over all codes c',

whose softmax has one column a code: 4 GB for 4,096 tokens and 2^18 codes. Where the codebook is a product, every
coordinate taking one of a few values, |z - c|^2 is a sum over coordinates and p_n a product. So H(p_n) is the sum of
the coordinates' entropies, and with the coordinates in two halves mean_n p_n is (left probabilities)^T (right
probabilities) / n, a matrix of one entry a code. Both hold for coordinates of different numbers of values. (Summing
the entropies of the halves' own means instead is only an upper bound of H(mean p): it takes the halves to be
independent over the tokens.)
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from signaltok.exactness import exact_arithmetic, full_precision
from signaltok.parts import Part
from signaltok.processes import part_of_group_mean, place, sum_over_group
from signaltok.quantizers.distributed import rows_of_group

TILE_PROBABILITIES = 1 << 20  # of both halves, held at a time: 4 MB in float32
LARGEST_BOOK = 2**24  # codes whose mean distribution is computed: 64 MB in float32
NEVER = -1e30  # logit of a value that a coordinate does not have; finite, so that 0 x log 0 is 0


class CodeEntropy(Part):
    """The two entropy losses of a product codebook, in nats, each zero at its best.

    "entropy_sample": the mean over the tokens of H(p_n), small where every token is near to one code.
    "entropy_deficit": log K - H(mean p_n), small where the tokens together use all K codes alike.
    Their weights in the objective are lambda and lambda gamma. temperature: tau. early_factor: by how much both
    *gradients* are multiplied at the start of the run; the factor falls linearly to one at the share early_until of
    the run. The values stay raw.
    """

    names = frozenset({"entropy_sample", "entropy_deficit"})

    def __init__(self, *, temperature: float, early_factor: float, early_until: float) -> None:
        if not (temperature > 0 and math.isfinite(temperature)):
            raise ValueError(f"temperature must be a finite number above 0, got {temperature}")
        if not early_factor > 0 or not 0 <= early_until <= 1:
            raise ValueError(
                f"early_factor must be above 0 and early_until a share of the run, 0 to 1, got {early_factor} and "
                f"{early_until}; a constant weight is early_factor 1 and early_until 0"
            )
        self.temperature, self.early_factor, self.early_until = temperature, early_factor, early_until

    def check(self, size: int) -> None:
        """Raise ValueError for a book whose mean distribution is too large to be held."""
        if size > LARGEST_BOOK:
            raise ValueError(
                f"the entropy of the mean distribution over {size} codes would hold {size} numbers; it is computed up "
                f"to {LARGEST_BOOK}: take fewer codes, several books of them, or entropy: null"
            )

    def factor(self, progress: float) -> float:
        """What the gradients are multiplied by when the share `progress` of the run is done."""
        if progress >= self.early_until:
            return 1.0
        return self.early_factor + (1 - self.early_factor) * progress / self.early_until

    def losses(
        self, rows: Float[Tensor, "n d"], values: Sequence[Float[Tensor, "_"]], progress: float
    ) -> dict[str, Float[Tensor, ""]]:
        """The losses of all processes' rows together; values: those of each coordinate."""
        sample, mean = code_entropies(rows, values, self.temperature)
        largest = sum(math.log(len(own)) for own in values)
        losses = {"entropy_sample": sample, "entropy_deficit": largest - mean if rows_of_group(rows)[0] else mean}
        factor = self.factor(progress)
        return {name: value + (factor - 1) * (value - value.detach()) for name, value in losses.items()}


def code_entropies(
    rows: Float[Tensor, "n d"], values: Sequence[Float[Tensor, "_"]], temperature: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """(E[H(p_n)], H(E[p_n])) in nats over the rows of all processes, with gradients to the rows.

    values: the values that each coordinate of a code can take, a tensor a coordinate. With several processes the
    first is this one's part of the group's mean; the second is the group's, its gradient the part of our rows times
    the number of processes, so that what data parallelism averages is right. Zero without any row.
    """
    assert rows.shape[1] == len(values), f"{rows.shape[1]} coordinates, values for {len(values)}"
    sizes = tuple(len(own) for own in values)
    rows = full_precision(rows)
    table = pad_sequence(list(values), batch_first=True).to(rows)
    missing = torch.arange(table.shape[1], device=rows.device) >= torch.tensor(sizes, device=rows.device)[:, None]
    # -(z - v)^2 without z^2, which is the same for all values of a coordinate and can be large.
    logits = (2 * rows[:, :, None] * table - table.square()) / temperature
    logits = logits.masked_fill(missing, NEVER)
    logs = F.log_softmax(logits, -1)
    own = -(logs.exp() * logs).sum((1, 2))
    sample = part_of_group_mean(own.mean() if len(rows) else rows.sum(), len(rows))
    return sample, _MeanEntropy.apply(logits, sizes)  # type: ignore[return-value]


class _MeanEntropy(torch.autograd.Function):
    """Entropy of the mean over the rows of the product of the coordinates' softmax.

    Probabilities of the halves are made tile by tile, in the backward again, so that beyond logits and gradient only
    the mean distribution and one tile are held.
    """

    @staticmethod
    def forward(ctx, logits: Float[Tensor, "n d L"], sizes: tuple[int, ...]) -> Tensor:  # type: ignore[override]
        cut = _cut(sizes)
        total = logits.new_zeros(math.prod(sizes[:cut]), math.prod(sizes[cut:]))
        with exact_arithmetic(logits.device):
            for tile in logits.split(_height(total)):
                left, right = _halves(tile.softmax(-1), sizes, cut)
                total.addmm_(left.T, right)
        count = rows_of_group(logits)[0]
        mean = sum_over_group(total).div_(max(1, count))
        # A code that no row can reach adds nothing, and its logarithm meets probabilities of zero alone.
        logs = mean.clamp_min(torch.finfo(mean.dtype).tiny).log_()
        ctx.sizes, ctx.scale = sizes, place()[1] / max(1, count)
        ctx.save_for_backward(logits, logs)
        return -mean.mul_(logs).sum()  # in pairs; a dot product of 2^18 terms is off by 2e-4 in float32

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        logits, logs = ctx.saved_tensors
        sizes, cut = ctx.sizes, _cut(ctx.sizes)
        result = torch.empty_like(logits)
        share_left, share_right = _membership(logits, sizes[:cut]), _membership(logits, sizes[cut:])
        height = _height(logs)
        with exact_arithmetic(logits.device):
            for tile, out in zip(logits.split(height), result.split(height), strict=True):
                p = tile.softmax(-1)
                left, right = _halves(p, sizes, cut)
                # d(-sum M log M)/dM = -log M - 1, and constants vanish in the softmax's own derivative:
                # of a product of softmaxes, dP(c)/dlogit_i(l) = P(c) ([c_i = l] - p_i(l)).
                from_left = (right @ logs.T).mul_(left)
                from_right = (left @ logs).mul_(right)
                whole = from_left.sum(1)[:, None, None]
                marginal = torch.cat([from_left @ share_left, from_right @ share_right], 1).view_as(tile)
                torch.sub(p * whole, marginal, out=out)
        return result.mul_(gradient * ctx.scale), None


def _cut(sizes: tuple[int, ...]) -> int:
    """Where to cut the coordinates, so that the larger half has as few combinations as possible."""
    return min(range(1, len(sizes) + 1), key=lambda cut: max(math.prod(sizes[:cut]), math.prod(sizes[cut:])))


def _height(mean: Float[Tensor, "A B"]) -> int:
    return max(1, TILE_PROBABILITIES // sum(mean.shape))


def _halves(p: Float[Tensor, "n d L"], sizes: tuple[int, ...], cut: int) -> tuple[Tensor, Tensor]:
    """Probabilities of the combinations of the first coordinates [n, A], and of the others [n, B]."""
    return _combined(p[:, :cut], sizes[:cut]), _combined(p[:, cut:], sizes[cut:])


def _combined(p: Float[Tensor, "n d L"], sizes: tuple[int, ...]) -> Float[Tensor, "n A"]:
    """The last coordinate fastest."""
    combined = p.new_ones(len(p), 1)
    for number, size in enumerate(sizes):
        combined = (combined[:, :, None] * p[:, number, None, :size]).flatten(1)
    return combined


def _membership(logits: Float[Tensor, "n d L"], sizes: tuple[int, ...]) -> Float[Tensor, "A dL"]:
    """One where a combination has a value at a coordinate, in the order of _combined."""
    every, wide = torch.arange(math.prod(sizes), device=logits.device), logits.shape[2]
    columns = [
        F.one_hot(every // math.prod(sizes[number + 1 :]) % size, wide).to(logits.dtype)
        for number, size in enumerate(sizes)
    ]
    return torch.cat(columns, 1) if columns else logits.new_zeros(1, 0)
