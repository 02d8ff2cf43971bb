"""Convolutions of shapes for which a CPU's bfloat16 is wrong, in float32.

oneDNN, as of torch 2.14.1, gives noise for some convolutions in bfloat16 where the CPU has AMX: with fewer than 32
input channels a group and a last stride of 4, 8 or 12 (16 channels, kernel 8, stride 4: off by 79 % of what is right),
in the gradients of transposed ones too. A codec's finest layers are of that shape, and training went wrong silently.
training/autocast_check.py looks for others in every run.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

NARROW = 32  # channels
STEP = 4


def trusted(
    convolve: Callable[..., Tensor],
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    channels: int,
    stride: int,
    **shape: Any,
) -> Tensor:
    """convolve(x, weight, bias, stride=stride, ...), in float32 under a CPU's autocast where its shape asks for that.

    channels: a group's, on the side that works at the finer rate: inputs, or outputs of a transposed convolution.
    """
    doubtful = channels < NARROW and stride % STEP == 0
    if not (doubtful and x.device.type == "cpu" and torch.is_autocast_enabled("cpu")):
        return convolve(x, weight, bias, stride=stride, **shape)
    with torch.autocast("cpu", enabled=False):
        return convolve(x.float(), weight.float(), None if bias is None else bias.float(), stride=stride, **shape)
