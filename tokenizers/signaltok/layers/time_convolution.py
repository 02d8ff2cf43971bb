"""Convolutions along the first of several axes alone, as video networks have them beside those over a frame.

Causal: a position looks at itself and at those before; before the first comes the first, over and over (MAGVIT-2, Yu et
al. 2024, section 3.2: causal 3D convolutions; the replication as in Cosmos). So a single frame is a still.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Place, SignalLayer


class TimeConvolution(SignalLayer):
    """x [b, inputs, t, h, w] -> [b, outputs, t, h, w]: kernel positions in time, one in space."""

    def __init__(self, *, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        if kernel < 1:
            raise ValueError(f"kernel is {kernel}; it is 1 or more frames")
        self.before = kernel - 1
        self.weighted = nn.Conv3d(inputs, outputs, (kernel, 1, 1))

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b d t h w"]:
        """See SignalLayer. What follows an item's end has no effect before it, so the lengths are not looked at."""
        if not self.before:
            return self.weighted(x)
        memory = extent.memory
        if memory is not None and self in memory.kept:
            (past,) = memory.kept[self]
        else:
            past = x[:, :, :1].expand(-1, -1, self.before, -1, -1)
        whole = torch.cat([past, x], dim=2)
        if memory is not None:
            memory.kept[self] = (whole[:, :, -self.before :].clone(),)
        return self.weighted(whole)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return first - self.before, last

    @torch.no_grad()
    def inflate(self) -> None:
        """Look at the own frame alone, as the kernel does at a still: see layers.inflation."""
        kernel = self.weighted.weight
        whole = kernel.sum(2)
        kernel.zero_()
        kernel[:, :, -1] = whole


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
