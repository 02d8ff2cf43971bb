"""Functions of p = softmax(z . e) over all codes, forward and backward in bounded memory.

For a function with the gradient u_k to p_k, the gradient to the logits is dl_k = p_k (u_k - sum_j p_j u_j), and then
dz = sum_k dl_k e_k, de_k = dl_k z. Each u here is a product of two narrow matrices, so that it can be computed again
tile by tile, like the logits:

    the one-hot hard + p - sg[p], upstream g:      u_k = g . e_k
    mean entropy of p:                             u_k = -z . e_k / n
    sum_k m_k log m_k of the mean m of p:          u_k = log m_k / n
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.exactness import exact_arithmetic
from signaltok.processes import part_of_group_mean, place, sum_over_group
from signaltok.quantizers.codebook.search import CODES_A_TILE, TILE_SCORES


def propagate(
    rows: Float[Tensor, "n d"], vectors: Float[Tensor, "K d"], codes: Int64[Tensor, " n"]
) -> Float[Tensor, "n d"]:
    """vectors[codes] to the bit, with the gradient of the one-hot's softmax to rows and to all vectors."""
    return _Propagate.apply(rows, vectors, codes)  # type: ignore[return-value]


def entropies(rows: Float[Tensor, "n d"], vectors: Float[Tensor, "K d"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """(mean entropy of the rows' p, log K - entropy of the mean p), in nats; the mean is that of all processes.

    The first is this process's part of the group's mean; the second is equal on every process. Zeros without rows.
    """
    sample_entropy, gap = _Entropies.apply(rows, vectors)  # type: ignore[misc]
    return part_of_group_mean(sample_entropy, len(rows)), gap


class _Propagate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor, vectors: Tensor, codes: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(rows.contiguous(), vectors, codes)
        return vectors[codes]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        rows, vectors, codes = ctx.saved_tensors
        gradient = gradient.contiguous()
        with exact_arithmetic(rows.device):
            to_rows, to_vectors = _through_softmax(rows, vectors, gradient, vectors)
        return to_rows, to_vectors.index_add_(0, codes, gradient), None


class _Entropies(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        rows = rows.contiguous()
        total = int(sum_over_group(torch.tensor(len(rows), device=rows.device)))
        with exact_arithmetic(rows.device):
            log_sums, means = _softmax_means(rows, vectors, vectors)
            sums = rows.new_zeros(len(vectors))
            for part, tile in _tiles(len(rows), len(vectors)):
                sums[tile] += (rows[part] @ vectors[tile].T).sub_(log_sums[part]).exp_().sum(0)
        mean = sum_over_group(sums) / max(1, total)
        log_mean = mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
        ctx.save_for_backward(rows, vectors, log_mean)
        ctx.total = total
        sample_entropy = (log_sums[:, 0] - (rows * means).sum(1)).sum() / max(1, len(rows))
        gap = (mean * log_mean).sum() + math.log(len(vectors)) * bool(total)
        return sample_entropy, gap

    @staticmethod
    def backward(ctx, to_entropy: Tensor, to_gap: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        rows, vectors, log_mean = ctx.saved_tensors
        # Averaged over the processes, as gradients are, the gap's shares are its gradient by all rows.
        share = (to_gap * (place()[1] / max(1, ctx.total))).expand(len(rows), 1)
        left = torch.cat([rows * (-to_entropy / max(1, len(rows))), share], 1)
        right = torch.cat([vectors, log_mean[:, None]], 1)
        with exact_arithmetic(rows.device):
            return _through_softmax(rows, vectors, left, right)


def _through_softmax(
    rows: Float[Tensor, "n d"], vectors: Float[Tensor, "K d"], left: Float[Tensor, "n r"], right: Float[Tensor, "K r"]
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "K d"]]:
    """Gradients to rows and vectors, where that to p is left @ right^T."""
    to_rows, to_vectors = torch.zeros_like(rows), torch.zeros_like(vectors)
    log_sums, means = _softmax_means(rows, vectors, right)
    centres = (left * means).sum(1, keepdim=True)
    for part, tile in _tiles(len(rows), len(vectors)):
        p = (rows[part] @ vectors[tile].T).sub_(log_sums[part]).exp_()
        through = (left[part] @ right[tile].T).sub_(centres[part]).mul_(p)
        to_rows[part] += through @ vectors[tile]
        to_vectors[tile] += through.T @ rows[part]
    return to_rows, to_vectors


def _softmax_means(
    rows: Float[Tensor, "n d"], vectors: Float[Tensor, "K d"], values: Float[Tensor, "K r"]
) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "n r"]]:
    """log sum_k exp l_k and sum_k p_k values_k of every row, tile by tile under a running maximum."""
    maxima = rows.new_full((len(rows), 1), -torch.inf)
    sums, means = rows.new_zeros(len(rows), 1), rows.new_zeros(len(rows), values.shape[1])
    for part, tile in _tiles(len(rows), len(vectors)):
        logits = rows[part] @ vectors[tile].T
        top = torch.maximum(maxima[part], logits.amax(1, keepdim=True))
        shrink = (maxima[part] - top).exp()
        weights = logits.sub_(top).exp_()
        sums[part] = sums[part] * shrink + weights.sum(1, keepdim=True)
        means[part] = means[part] * shrink + weights @ values[tile]
        maxima[part] = top
    return maxima + sums.log(), means / sums


def _tiles(rows: int, codes: int) -> Iterator[tuple[slice, slice]]:
    """Rows x codes in pieces of at most TILE_SCORES numbers."""
    width = min(codes, CODES_A_TILE)
    height = max(1, TILE_SCORES // width)
    for left in range(0, codes, width):
        for top in range(0, rows, height):
            yield slice(top, top + height), slice(left, left + width)
