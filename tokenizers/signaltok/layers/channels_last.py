"""Convolutions without gradients of signals whose channels lie side by side in memory: on a CPU twice as fast.

oneDNN reads and writes such signals as they are; one whose positions lie side by side it copies into an order of its
own and back, at every layer. What comes out lies in memory as [b, l, c], and so does what follows, as activations keep
the order; shapes are those of torch throughout. Where gradients are computed nothing is gained, and it is torch's
convolution over one axis, which has a name in ONNX.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.layers.signal_layer import Pointwise


def convolve(
    x: Float[Tensor, "b c l"],
    weight: Float[Tensor, "d i k"],
    bias: Float[Tensor, "d"] | None,
    *,
    stride: int,
    dilation: int,
    groups: int,
) -> Float[Tensor, "b d m"]:
    """As F.conv1d."""
    if torch.is_grad_enabled() or x.device.type != "cpu":
        return F.conv1d(x, weight, bias, stride, 0, dilation, groups)
    if dilation == 1 and groups == 1 and (x.shape[1] == 1 or x.numel() < weight.numel()):
        # One channel side by side is no order at all, and oneDNN copies weights too, which here are most of it.
        columns = x.unfold(2, weight.shape[2], stride).transpose(1, 2).flatten(2)
        return F.linear(columns, weight.flatten(1), bias).transpose(1, 2)
    wide, kernels = _side_by_side(x), _side_by_side(weight)
    return F.conv2d(wide, kernels, bias, stride=(1, stride), dilation=(1, dilation), groups=groups)[:, :, 0]


def convolve_transposed(
    x: Float[Tensor, "b c l"],
    weight: Float[Tensor, "c o k"],
    bias: Float[Tensor, "d"] | None,
    *,
    stride: int,
    groups: int,
) -> Float[Tensor, "b d m"]:
    """As F.conv_transpose1d."""
    if torch.is_grad_enabled() or x.device.type != "cpu":
        return F.conv_transpose1d(x, weight, bias, stride, groups=groups)
    wide, kernels = _side_by_side(x), _side_by_side(weight)
    return F.conv_transpose2d(wide, kernels, bias, stride=(1, stride), groups=groups)[:, :, 0]


def placed(
    x: Float[Tensor, "b c l"], before: int, after: int, activation: Pointwise | None
) -> tuple[Float[Tensor, "b c m"], Float[Tensor, "b c l"]]:
    """(whole, inside): x, or what the activation makes of it, in a new tensor with room on either side to be filled.

    Without gradients alone.
    """
    b, c, size = x.shape
    m = before + size + after
    whole = x.new_empty(b, m, c).transpose(1, 2) if x.device.type == "cpu" else x.new_empty(b, c, m)
    inside = whole[..., before : before + size]
    if activation is None:
        inside.copy_(x)
    else:
        activation.into(x, inside)
    return whole, inside


def behind(
    before: Float[Tensor, "b c k"], x: Float[Tensor, "b c l"], activation: Pointwise | None
) -> Float[Tensor, "b c m"]:
    """What came before, and then x, or what the activation makes of it."""
    if torch.is_grad_enabled():
        assert activation is None, "with gradients an activation is a layer of its own"
        return torch.cat([before, x], dim=2)
    whole, _ = placed(x, before.shape[2], 0, activation)
    whole[..., : before.shape[2]] = before
    return whole


def _side_by_side(x: Float[Tensor, "b c l"]) -> Float[Tensor, "b c 1 l"]:
    return x[:, :, None].contiguous(memory_format=torch.channels_last)
