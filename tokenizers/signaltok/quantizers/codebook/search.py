"""The nearest or the highest-scoring code, exactly: the one search behind every learned codebook.

|z - e|^2 = |z|^2 - 2 (z.e - |e|^2 / 2), so the nearest code has the largest score z.e - |e|^2 / 2. Scores are
computed tile by tile in float32 (float64 for rows of float64); the tokens x codes matrix never exists.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.exactness import exact_arithmetic, full_precision

TILE_SCORES = 1 << 21  # scores held at a time: 8 MB in float32, which stays in the cache of the processor
GROUP = 64  # codes a group in the two-stage search
SMALL_CODEBOOK = 256  # up to here one stage is faster, whatever the dimension
CODES_A_TILE = 2048
NEAR = 0.9  # share of their mean square that codes' mean may have before they are measured from elsewhere than zero


@torch.no_grad()
def nearest(rows: Float[Tensor, "n d"], vectors: Float[Tensor, "K d"]) -> Int64[Tensor, " n"]:
    """Index of the vector nearest to each row (squared Euclidean distance); the lowest index where several are.

    For cosine similarity give normalised rows and vectors. Memory beyond the result is bounded, whatever n and K.
    """
    rows = full_precision(rows.detach())
    vectors = vectors.detach().to(rows.dtype)
    squares = (vectors * vectors).sum(1)  # faster than square(), and sum than mean(0)
    for _ in range(2):  # from very far the first origin is a rough one
        mean = vectors.sum(0) / len(vectors)
        far = torch.dot(mean, mean) > NEAR * squares.mean()
        if not torch.compiler.is_exporting() and not bool(far):  # an exported graph has no branches
            break
        origin = torch.where(far, _origin(mean, squares), 0.0)
        rows, vectors = rows - origin, vectors - origin
        squares = (vectors * vectors).sum(1)
    return highest(rows, vectors, squares.mul_(-0.5))


def _origin(mean: Float[Tensor, " d"], squares: Float[Tensor, " K"]) -> Float[Tensor, " d"]:
    """Where to measure from, where the codes lie far from zero beside their own spread.

    There scores are large and all but equal, and float32 has no digits left for their differences. A multiple of a
    power of two, so that subtracting it costs next to no rounding.
    """
    energy = squares.mean()
    spread = (energy - torch.dot(mean, mean)).clamp_min(1e-6 * energy + torch.finfo(energy.dtype).tiny)
    step = torch.exp2(torch.ceil(torch.log2((spread / len(mean)).sqrt())))
    return torch.round(mean / step) * step


@torch.no_grad()
def highest(
    rows: Float[Tensor, "n d"], vectors: Float[Tensor, "K d"], bias: Float[Tensor, " K"] | None
) -> Int64[Tensor, " n"]:
    """Index of the highest score z.e + bias of each row; the lowest index where several are. bias None: zeros.

    The most probable category of logits, without a matrix of logits. Memory as for nearest.
    """
    rows = full_precision(rows.detach()).contiguous()
    vectors = vectors.detach().to(rows.dtype)
    bias = vectors.new_zeros(len(vectors)) if bias is None else bias.detach().to(rows.dtype)
    one_stage = len(vectors) <= SMALL_CODEBOOK
    # A row of NaN is nearest to nothing: it beats no tile and stays at code 0.
    codes = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    width = min(len(vectors), CODES_A_TILE)
    height = max(1, TILE_SCORES // width)
    scores = rows.new_empty(min(height, len(rows)) * width)
    best = rows.new_full((len(rows),), -torch.inf)
    with exact_arithmetic(rows.device):
        for left in range(0, len(vectors), width):
            tile, tile_bias = vectors[left : left + width].T, bias[left : left + width]
            for top in range(0, len(rows), height):
                part = rows[top : top + height]
                table = scores[: len(part) * tile.shape[1]].view(len(part), tile.shape[1])
                # addmm would fill the table with copies of the bias before it multiplies.
                torch.mm(part, tile, out=table).add_(tile_bias)
                value, index = table.max(1) if one_stage or tile.shape[1] % GROUP else _two_stage(table)
                _keep_better(best[top : top + height], codes[top : top + height], value, index, left)
    return codes


def _two_stage(table: Float[Tensor, "n k"]) -> tuple[Float[Tensor, " n"], Int64[Tensor, " n"]]:
    """Row maximum and its first index: the best group by its maximum, then the best code in that group.

    A maximum without indices runs at the speed of the memory; one with indices does not.
    """
    count = table.shape[1] // GROUP
    value, group = table.view(len(table), count, GROUP).amax(2).max(1)
    first = torch.arange(0, len(table) * count, count, device=table.device)
    members = table.view(-1, GROUP).index_select(0, first + group)
    return value, group * GROUP + members.max(1).indices  # the first of equals too, and twice as fast as argmax


def _keep_better(best: Tensor, codes: Tensor, value: Tensor, index: Tensor, offset: int) -> None:
    """Take value and index where they beat what earlier tiles gave; a tie stays with the lower index."""
    better = value > best
    torch.where(better, index + offset, codes, out=codes)
    torch.where(better, value, best, out=best)
