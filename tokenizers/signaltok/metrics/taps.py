"""Where a tokenizer is tapped for the features of an item: four places, whose names say which.

A probe "of a tokenizer" means little without its tap: before the bottleneck much is there that no code carries.

encoder: the latent before quantization, its mean over the positions. z_q: likewise what the decoder is given.
code_embedding: of each level the vectors that its codes stand for in the search, their mean over the positions, level
beside level. code_bag: of each level the share of the positions that has each code.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from signaltok.parts import Quantizer
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import TokenStack, valid_mask

TAPS = ("encoder", "z_q", "code_embedding", "code_bag")
LARGEST_BAG = 16384  # codes of all levels together, which are so many features of every item


def tapped(
    tap: str, quantizer: Quantizer, reconstruction: Reconstruction, stack: TokenStack | None
) -> Float[Tensor, "b d"]:
    """The features of a batch. stack: its codes, None of a quantizer without; then ValueError for a tap of codes."""
    if tap in ("encoder", "z_q"):
        values = reconstruction.latent if tap == "encoder" else reconstruction.quantized.z_q
        return _mean(values, reconstruction.mask)
    if stack is None:
        raise ValueError(f"{type(quantizer).__name__} has no codes, so there is no tap {tap}; probe encoder or z_q")
    if tap == "code_bag":
        return _bag(stack)
    vectors = quantizer.code_vectors()
    if len(vectors) != len(stack.levels):
        raise ValueError(
            f"{type(quantizer).__name__} lists no vectors of its codes, so there is no tap {tap}; probe z_q or code_bag"
        )
    means = [
        _mean(level.searched[codes].movedim(-1, 1), mask)
        for level, codes, mask in zip(vectors, stack.levels, _masks(stack), strict=True)
    ]
    return torch.cat(means, 1)


def _masks(stack: TokenStack) -> list[Bool[Tensor, "b 1 *l"] | None]:
    return [
        None if lengths is None else valid_mask(lengths, tuple(level.shape[1:]))
        for level, lengths in zip(stack.levels, stack.lengths, strict=True)
    ]


def _mean(values: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b d"]:
    """Over the valid positions."""
    if mask is None:
        return values.flatten(2).mean(2)
    return values.masked_fill(~mask, 0).flatten(2).sum(2) / mask.flatten(2).sum(2)


def _bag(stack: TokenStack) -> Float[Tensor, "b K"]:
    size = sum(stack.codebook_sizes)
    if size > LARGEST_BAG:
        raise ValueError(
            f"code_bag has a feature for each of {size} codes; it is computed up to {LARGEST_BAG}; "
            "probe z_q or code_embedding"
        )
    shares = []
    for level, mask, size in zip(stack.levels, _masks(stack), stack.codebook_sizes, strict=True):
        weight = torch.ones_like(level) if mask is None else mask[:, 0].long()
        counts: Int64[Tensor, "b K"] = level.new_zeros(len(level), size)
        counts.scatter_add_(1, level.flatten(1), weight.flatten(1))
        shares.append(counts.double() / counts.sum(1, keepdim=True))
    return torch.cat(shares, 1)
