"""A path of codes, one a cell, as runs: equal neighbours are one token, the blank is none (Graves et al. 2006, B).

Together with where each token begins and ends, that loses nothing.
"""

import torch
from jaxtyping import Int64
from torch import Tensor


def collapsed(
    path: Int64[Tensor, " l"], blank: int, stride: int, size: int
) -> tuple[Int64[Tensor, " n"], Int64[Tensor, "n 2"]]:
    """The tokens of a path over a signal of so many positions, and [first, end) of each in signal positions."""
    starts = torch.ones_like(path, dtype=torch.bool)
    starts[1:] = path[1:] != path[:-1]
    first = starts.nonzero()[:, 0]
    end = torch.cat([first[1:], first.new_full((1,), len(path))])
    spans = torch.stack([first * stride, (end * stride).clamp(max=size)], dim=1)
    tokens = path[first]
    spoken = tokens != blank
    return tokens[spoken], spans[spoken]


def expanded(
    tokens: Int64[Tensor, " n"], spans: Int64[Tensor, "n 2"], blank: int, stride: int, cells: int
) -> Int64[Tensor, " l"]:
    """The inverse of collapsed. ValueError where spans overlap, are empty, or leave the signal or the cells."""
    first, end = spans[:, 0], spans[:, 1]
    last = torch.cat([first.new_zeros(1), end[:-1]])
    cut = (end % stride != 0) & (end <= (cells - 1) * stride)
    if bool(((first < last) | (end <= first) | (first % stride != 0) | (end > cells * stride) | cut).any()):
        raise ValueError(
            f"the spans {spans.tolist()[:4]} ... are not those of tokens one after the other on {cells} cells of "
            f"{stride} positions"
        )
    begin, stop = first // stride, (end + stride - 1) // stride
    path = tokens.new_full((cells,), blank)
    counts = stop - begin
    offsets = torch.repeat_interleave(begin - counts.cumsum(0) + counts, counts)
    path[offsets + torch.arange(len(offsets), device=path.device)] = torch.repeat_interleave(tokens, counts)
    return path
