"""The levels of a stack: copies of one quantizer that begin apart.

Copies of a module are equal, and equal levels would not do what a stack is for: with equal seeds they would start from
the same rows (quantizers.distributed.draw_apart), with equal maps look at the same few directions of the latent.

How maps begin decides what short runs learn. Where both begin as torch's linear layers do, what comes back is not
correlated with what a level read. As rotations, the map A there has orthonormal rows and the map B back is its
transpose: B A is a projection, and what a level reads is what it says.
"""

import copy

import torch
from torch import nn

from signaltok.parts import Quantizer
from signaltok.quantizers.distributed import draw_apart


def levels_of(level: Quantizer, count: int, *, orthogonal: bool) -> nn.ModuleList:
    """Copies with seeds and maps of their own, which begin as rotations where orthogonal is true, else as torch's."""
    levels = nn.ModuleList(copy.deepcopy(level) for _ in range(count))
    for number, copied in enumerate(levels):
        draw_apart(copied, number)
        for part in copied.modules():
            there, back = getattr(part, "project_in", None), getattr(part, "project_out", None)
            if not isinstance(there, nn.Linear) or not isinstance(back, nn.Linear):
                continue
            if orthogonal:
                rotate(there, back)
            elif number:
                there.reset_parameters()
                back.reset_parameters()
    return levels


@torch.no_grad()
def rotate(there: nn.Module, back: nn.Module) -> None:
    """Have a map begin as a part of a rotation, and the one back as its transpose; an identity stays as it is."""
    if isinstance(there, nn.Linear) and isinstance(back, nn.Linear):
        nn.init.orthogonal_(there.weight)
        back.weight.copy_(there.weight.T)
        for layer in (there, back):
            if layer.bias is not None:
                layer.bias.zero_()
