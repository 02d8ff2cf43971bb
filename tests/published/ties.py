"""Whether codes that differ are equally near: the distances of both to what the level quantizes, by its own metric."""

import torch
from torch import Tensor
from torch.nn import functional as F

from signaltok.parts import Quantizer
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.quantizers.split import SplitQuantizer


def stacks(quantizer: Quantizer, z: Tensor) -> list[tuple[Tensor, list[VectorQuantizer], list[int]]]:
    """(what the first level quantizes, the levels, their strides) of each residual stack in a quantizer."""
    if isinstance(quantizer, SplitQuantizer):
        inner = [layer(z.transpose(1, 2)).transpose(1, 2) for layer in (quantizer.to_semantic, quantizer.to_acoustic)]
        acoustic = list(quantizer.acoustic.levels)
        return [(inner[0], [quantizer.semantic], [1]), (inner[1], acoustic, [1] * len(acoustic))]
    strides = list(quantizer.level_strides)
    if isinstance(quantizer, MultiscaleQuantizer):  # whole cells alone, as the public model has them
        assert z.shape[-1] % strides[0] == 0
    return [(z, list(quantizer.levels), strides)]


@torch.no_grad()
def widest_gap(quantizer: Quantizer, z: Tensor, ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> float:
    """The largest difference of the two distances where codes differ first; zero where none do. z [1, d, l]."""
    gaps, number = [0.0], 0
    for left, levels, strides in stacks(quantizer, z):
        undecided = torch.zeros(left.shape[-1], dtype=torch.bool)
        for level, stride in zip(levels, strides, strict=True):
            own, other = ours[number][0], theirs[number][0]
            rows = level.project_in(F.avg_pool1d(left, stride)[0].transpose(0, 1))
            rows = F.normalize(rows, dim=1) if level.by_angle else rows
            (vectors,) = level.code_vectors()
            chosen = [(rows - vectors.searched[codes]).double().norm(dim=1) for codes in (own, other)]
            first = (own != other) & ~undecided.view(-1, stride).any(1)
            gaps += (chosen[0] - chosen[1]).abs()[first].tolist()
            undecided |= (own != other).repeat_interleave(stride)
            left = left - level.decode((own[None],)).repeat_interleave(stride, dim=-1)
            number += 1
    return max(gaps)
