"""Convolutions along the first of several axes, alone and together with the others.

Causal: a position looks at itself and at those before; before the first comes the first, over and over (MAGVIT-2, Yu et
al. 2024, section 3.2: causal 3D convolutions; the replication as in Cosmos). So a single frame is a still.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Place, SignalLayer


def with_past(layer: nn.Module, x: Float[Tensor, "b c t h w"], before: int, extent: Extent) -> Tensor:
    """x behind the `before` frames that precede it: those the layer remembers, or copies of its first one.

    What comes last is remembered for the layer where the signal comes in pieces.
    """
    memory = extent.memory
    if not before:
        return x
    if memory is not None and layer in memory.kept:
        (past,) = memory.kept[layer]
    else:
        past = x[:, :, :1].expand(-1, -1, before, -1, -1)
    whole = torch.cat([past, x], dim=2)
    if memory is not None:
        memory.kept[layer] = (whole[:, :, -before:].clone(),)
    return whole


class CausalConvolution(SignalLayer):
    """x [b, inputs, t, h, w] -> [b, outputs, t / stride, h / stride, w / stride]; all extents multiples of the stride.

    kernel, stride: in time and, alike, in height and width. In time a cell ends with the frames it is made of; in space
    zeros are around it, beyond its end alone where it has a stride.
    """

    def __init__(self, *, inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        (time, space), (slower, coarser) = kernel, stride
        if time < 1 or time < slower:
            raise ValueError(f"kernel is {time}; it is 1 or more frames, and no fewer than the stride's {slower}")
        self.before, self.aside = time - slower, space > 1
        missing = space - coarser
        before = missing // 2 if coarser == 1 else 0
        self.around = (before, missing - before) * 2
        self.weighted = nn.Conv3d(inputs, outputs, (time, space, space), stride=(slower, coarser, coarser))

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b d t_out h_out w_out"]:
        """See SignalLayer. What follows an item's end in time has no effect before it; space beyond is zero."""
        if self.aside:
            x = F.pad(extent.silenced(x), self.around)
        return self.weighted(with_past(self, x, self.before, extent))

    @torch.no_grad()
    def inflate(self) -> None:
        """Look at the last frame alone, as the kernel does at a still: see layers.inflation."""
        kernel = self.weighted.weight
        whole = kernel.sum(2)
        kernel.zero_()
        kernel[:, :, -1] = whole


class TimeConvolution(CausalConvolution):
    """A causal convolution along time alone, of stride one."""

    def __init__(self, *, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs=inputs, outputs=outputs, kernel=(kernel, 1), stride=(1, 1))

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return first - self.before, last


class Slower(nn.Module):
    """t -> t / factor: each `factor` frames become one, at first their mean. No frame looks beyond its own."""

    def __init__(self, *, width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.weighted = nn.Conv3d(width, width, (factor, 1, 1), stride=(factor, 1, 1))
        self.stand_still()

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t_out h w"]:
        """t: a multiple of the factor."""
        return self.weighted(x)

    @torch.no_grad()
    def stand_still(self) -> None:
        """The mean of the frames."""
        self.weighted.weight.copy_(torch.eye(self.weighted.out_channels)[:, :, None, None, None] / self.factor)
        nn.init.zeros_(self.weighted.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def inflate(self) -> None:
        """Take all frames alike, as the kernel does those of a still."""
        kernel = self.weighted.weight
        kernel.copy_(kernel.mean(2, keepdim=True).expand_as(kernel))


class Faster(nn.Module):
    """t -> t * factor: each frame becomes `factor`, at first all equal to it."""

    def __init__(self, *, width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.weighted = nn.ConvTranspose3d(width, width, (factor, 1, 1), stride=(factor, 1, 1))
        self.stand_still()

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t_out h w"]:
        """See the class."""
        return self.weighted(x)

    @torch.no_grad()
    def stand_still(self) -> None:
        """Every frame as it came."""
        self.weighted.weight.copy_(torch.eye(self.weighted.out_channels)[:, :, None, None, None])
        nn.init.zeros_(self.weighted.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def inflate(self) -> None:
        """Give all frames alike."""
        kernel = self.weighted.weight
        kernel.copy_(kernel.mean(2, keepdim=True).expand_as(kernel))


def completed(
    x: Float[Tensor, "b c *s"], lead: tuple[int, ...], stride: tuple[int, ...], lengths: Int64[Tensor, "b axes"] | None
) -> Float[Tensor, "b c *whole"]:
    """x in whole cells: its first position `lead` times more before it, its last one as often as is missing after it.

    Each axis on its own. lengths: where the items end; what follows an item is then its own last position, as it would
    be alone.
    """
    for axis, (before, step) in enumerate(zip(lead, stride, strict=True)):
        size = x.shape[2 + axis]
        after = -(size + before) % step
        if not before and not after and lengths is None:
            continue
        places = torch.arange(-before, size + after, device=x.device).clamp(min=0)
        if lengths is None:
            x = x.index_select(2 + axis, places.clamp(max=size - 1))
        else:
            ends = (lengths[:, axis] - 1).tolist()
            x = torch.stack(
                [item.index_select(1 + axis, places.clamp(max=end)) for item, end in zip(x, ends, strict=True)]
            )
    return x
