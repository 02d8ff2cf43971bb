"""Convolutions that keep an exact rule of lengths: n positions become ceil(n / stride), and back n * stride.

padding: "same" pads both sides, the odd one before; "causal" pads before alone; "valid" not at all, and then lengths
are the kernel's. What completes a signal to whole strides at its end is padded in the same mode. Which mode: see
layers.padding. norm: "weight", see layers.weight_norm; "time_group", see layers.group_norm; None.
"""

import math
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.channels_last import behind, convolve, convolve_transposed
from signaltok.layers.conv import check_axes
from signaltok.layers.extent import Extent
from signaltok.layers.group_norm import TimeGroupNorm
from signaltok.layers.padding import MODES, padded
from signaltok.layers.signal_layer import Activated, Place, Pointwise, SignalLayer
from signaltok.layers.trusted import trusted
from signaltok.layers.weight_norm import length, normalised

PADDINGS = ("same", "causal", "valid")
NORMS = (None, "weight", "time_group")
FORWARD = {1: convolve, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: convolve_transposed, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class _Kernel(SignalLayer):
    """What both directions have: a weight, a bias, a norm, and the same kernel and stride on every axis."""

    def __init__(
        self,
        *,
        axes: int,
        shape: tuple[int, int],
        outputs: int,
        kernel: int,
        bias: bool,
        padding: str,
        norm: str | None,
    ) -> None:
        super().__init__()
        check_axes(axes)
        if padding not in PADDINGS or norm not in NORMS:
            raise ValueError(f"padding must be one of {PADDINGS} and norm one of {NORMS}, got {padding!r} and {norm!r}")
        self.axes, self.kernel, self.padding = axes, kernel, padding
        self.weight = nn.Parameter(torch.empty(*shape, *[kernel] * axes))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        # As torch.nn's convolutions begin: uniform, of the variance 1 / (3 * what an output sums over).
        bound = 1 / math.sqrt(shape[1] * kernel**axes)
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)
        self.weight_gain = nn.Parameter(length(self.weight.detach())) if norm == "weight" else None
        self.norm = TimeGroupNorm(width=outputs) if norm == "time_group" else None
        # Over several axes there is no order in which pieces would come.
        self.causal = padding == "causal" and axes == 1 and norm != "time_group"

    def kernels(self) -> Tensor:
        """The weight as it is used."""
        return self.weight if self.weight_gain is None else normalised(self.weight, self.weight_gain)

    def _everywhere(self, first: Place, last: Place) -> tuple[Place, Place]:
        return (first, last) if self.norm is None else (-math.inf, math.inf)


class Convolution(_Kernel, Activated):
    """x [b, inputs, *l] -> [b, outputs, *ceil(l / stride)]."""

    def __init__(
        self,
        *,
        axes: int,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        dilation: int,
        groups: int,
        bias: bool,
        padding: str,
        mode: str,
        norm: str | None,
    ) -> None:
        super().__init__(
            axes=axes,
            shape=(outputs, inputs // groups),
            outputs=outputs,
            kernel=kernel,
            bias=bias,
            padding=padding,
            norm=norm,
        )
        reach = (kernel - 1) * dilation + 1
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
        if reach < stride:
            raise ValueError(f"a kernel of {kernel} (dilation {dilation}) leaves gaps at stride {stride}; widen it")
        self.stride, self.dilation, self.groups, self.mode = stride, dilation, groups, mode
        self.reach, self.scale = reach, Fraction(1, stride)
        total = reach - stride
        self.after = {"same": total // 2, "causal": 0, "valid": 0}[padding]
        self.before = 0 if padding == "valid" else total - self.after
        # Of what came before: the padding's place, and as much as a reflection at the end reads.
        self.remembered = max(self.before, stride - 1 if mode == "reflect" else 0)
        self.least = self.before + 1 if mode == "reflect" else 1

    def forward(
        self, x: Float[Tensor, "b c *l"], *, extent: Extent, activation: Pointwise | None = None
    ) -> Float[Tensor, "b d *m"]:
        """See Activated."""
        if activation is not None and (torch.is_grad_enabled() or self.axes > 1 or extent.lengths is not None):
            x, activation = activation(x, extent=extent), None
        if extent.memory is not None:
            x = self._continued(x, extent, activation)
        elif self.padding != "valid":
            ends = (self.before, self.after, self.stride, self.mode)
            x = padded(extent.silenced(x), *ends, extent.lengths, activation)
        elif activation is not None:
            x = activation(x, extent=extent)
        kernels = self.kernels()
        y = trusted(
            FORWARD[self.axes], x, kernels, self.bias, channels=kernels.shape[1], stride=self.stride,
            dilation=self.dilation, groups=self.groups,
        )  # fmt: skip
        return y if self.norm is None else self.norm(y, extent=extent.scaled(self.scale))

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return self._everywhere(first * self.stride - self.before, last * self.stride - self.before + self.reach - 1)

    def _continued(self, x: Tensor, extent: Extent, activation: Pointwise | None) -> Tensor:
        """The piece with what came before it, or with its padding where it is the first; completed where the last."""
        memory, size = extent.memory, x.shape[-1]
        assert memory is not None and self.causal, "only causal layers go on from a piece"
        missing = -size % self.stride
        assert memory.last or not missing, f"a piece of {size} positions is not whole at stride {self.stride}"
        if self in memory.kept:
            (before,) = memory.kept[self]
            whole = behind(before, x, activation)
            if missing:
                whole = F.pad(whole, (0, missing), mode=self.mode)
        else:
            assert memory.last or size >= self.least, f"a first piece of {size} positions, but {self.least} are needed"
            whole = padded(x, self.before, 0, self.stride, self.mode, None, activation)
        stop = whole.shape[-1] - missing
        memory.kept[self] = (whole[..., max(0, stop - self.remembered) : stop].clone(),)
        return whole[..., stop - size - self.before :]


class TransposedConvolution(_Kernel):
    """x [b, inputs, *l] -> [b, outputs, *l * stride]; what of the kernels reaches over the ends is cut off."""

    def __init__(
        self,
        *,
        axes: int,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        groups: int,
        bias: bool,
        padding: str,
        norm: str | None,
    ) -> None:
        super().__init__(
            axes=axes,
            shape=(inputs, outputs // groups),
            outputs=outputs,
            kernel=kernel,
            bias=bias,
            padding=padding,
            norm=norm,
        )
        if kernel < stride:
            raise ValueError(f"a kernel of {kernel} leaves gaps at stride {stride}; widen it")
        self.stride, self.groups, self.scale = stride, groups, Fraction(stride)
        total = kernel - stride
        self.cut_after = {"same": total // 2, "causal": total, "valid": 0}[padding]
        self.cut_before = 0 if padding == "valid" else total - self.cut_after
        self.remembered = -(-kernel // stride) - 1

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b d *m"]:
        """See SignalLayer."""
        before = 0
        if extent.memory is not None and self.remembered:
            assert self.causal, "only causal layers go on from a piece"
            (kept,) = extent.memory.kept.get(self, (x.new_zeros(*x.shape[:2], self.remembered),))
            x, before = behind(kept, x, None), self.remembered * self.stride
            extent.memory.kept[self] = (x[..., -self.remembered :].clone(),)
        x = extent.silenced(x)
        kernels = self.kernels()
        y = trusted(
            TRANSPOSED[self.axes], x, kernels, self.bias, channels=kernels.shape[1], stride=self.stride,
            groups=self.groups,
        )  # fmt: skip
        if self.norm is not None:
            # Statistics are of all that the kernels reach, before it is cut, as EnCodec takes them.
            reached = extent.scaled(self.scale).lengths
            y = self.norm(y, extent=Extent(None if reached is None else reached + self.kernel - self.stride, None))
        start = self.cut_before + before
        return y[(..., *(slice(start, n - self.cut_after) for n in y.shape[2:]))]

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        start = math.ceil((first + self.cut_before - self.kernel + 1) / self.stride) if math.isfinite(first) else first
        stop = math.floor((last + self.cut_before) / self.stride) if math.isfinite(last) else last
        return self._everywhere(start, stop)
