"""What the encoder and the decoder of videos share: blocks of a convolution over the frame and one along time.

Factorised as VidTok (Tang et al. 2024, section 3.1) and Cosmos (Agarwal et al. 2025): two axes, then one. No norm looks
at more than a position, so nothing but the convolutions along time passes from frame to frame.
"""

import math
from collections.abc import Sequence

from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.conv import silence
from signaltok.layers.extent import Extent
from signaltok.layers.front import Front
from signaltok.layers.time_convolution import TimeConvolution
from signaltok.types.memory import Memory
from signaltok.types.token_stack import valid_mask

Mask = Bool[Tensor, "b 1 t h w"]


def over_frames(inputs: int, outputs: int, kernel: int) -> nn.Conv3d:
    """A convolution over each frame alone that keeps its size, zeros around it."""
    assert kernel % 2 == 1, f"an even kernel of {kernel} cannot keep the size"
    return nn.Conv3d(inputs, outputs, (1, kernel, kernel), padding=(0, kernel // 2, kernel // 2))


class FrameBlock(nn.Module):
    """x + conv1(silu(conv3(silu(x)))) on each frame: layers.conv.ResidualBlock, over videos."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.inner = over_frames(width, width, 3)
        self.outer = over_frames(width, width, 1)

    def forward(self, x: Float[Tensor, "b c t h w"], mask: Mask | None) -> Float[Tensor, "b c t h w"]:
        """Same shape; the block looks one position to either side in its frame."""
        return x + self.outer(F.silu(self.inner(silence(F.silu(x), mask))))


class TimeBlock(nn.Module):
    """x + conv1(silu(time convolution(silu(x)))) on each pixel."""

    def __init__(self, *, width: int, kernel: int) -> None:
        super().__init__()
        self.inner = TimeConvolution(inputs=width, outputs=width, kernel=kernel)
        self.outer = over_frames(width, width, 1)

    def forward(self, x: Float[Tensor, "b c t h w"], memory: Memory | None) -> Float[Tensor, "b c t h w"]:
        """Same shape; the block looks kernel - 1 frames back."""
        return x + self.outer(F.silu(self.inner(F.silu(x), extent=Extent(None, memory))))

    def stand_still(self) -> None:
        """Add nothing."""
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)  # type: ignore[arg-type]


class VideoBlock(nn.Module):
    """A FrameBlock, then a TimeBlock."""

    def __init__(self, *, width: int, kernel: int) -> None:
        super().__init__()
        self.frame = FrameBlock(width=width)
        self.time = TimeBlock(width=width, kernel=kernel)

    def forward(
        self, x: Float[Tensor, "b c t h w"], mask: Mask | None, memory: Memory | None
    ) -> Float[Tensor, "b c t h w"]:
        """Same shape."""
        return self.time(self.frame(x, mask), memory)


def blocks_of(width: int, depth: int, kernel: int) -> nn.ModuleList:
    """depth blocks of one width."""
    return nn.ModuleList(VideoBlock(width=width, kernel=kernel) for _ in range(depth))


def check_shape(axes: int, widths: Sequence[int], time_strides: Sequence[int]) -> None:
    """Raise ValueError where they describe no network for videos."""
    if axes != 3:
        raise ValueError(f"axes is {axes}, but a video has three: time, height, width; for pictures take encoder=conv")
    if not widths or len(widths) != len(time_strides) or min(time_strides) < 1:
        raise ValueError(
            f"time_strides {list(time_strides)} must say one for each of the widths {list(widths)}, 1 where a stage "
            "keeps the frame rate"
        )


def rates(time_strides: Sequence[int]) -> list[tuple[int, int, int]]:
    """Of each stage, finest first: how many of its positions a latent cell has on each axis."""
    stages = len(time_strides)
    return [(math.prod(time_strides[n + 1 :]), 2 ** (stages - 1 - n), 2 ** (stages - 1 - n)) for n in range(stages)]


def stride_of(front: Front, time_strides: Sequence[int]) -> tuple[int, int, int]:
    """Signal positions a cell: the front's, the stages' own in time, and two between each two stages in space."""
    space = front.space * 2 ** (len(time_strides) - 1)
    return front.time * math.prod(time_strides), space, space


def mask_at(cells: Int64[Tensor, "b 3"] | None, rate: tuple[int, int, int], size: tuple[int, ...]) -> Mask | None:
    """The valid positions of a stage of this size; None where all are."""
    return None if cells is None else valid_mask(cells * cells.new_tensor(rate), size)


def check_stages(axes: int, widths: Sequence[int], strides: Sequence[Sequence[int]], depth: int) -> None:
    """Raise ValueError where they describe no network of stages, each with the step behind it."""
    check_shape(axes, widths, [1] * len(widths))
    if len(strides) != len(widths) or any(len(step) != 2 or not set(step) <= {1, 2} for step in strides):
        raise ValueError(
            f"strides {[list(step) for step in strides]} must say two numbers for each of the widths {list(widths)}: "
            "the step behind the stage in time and that in height and width, 1 or 2 each"
        )
    if depth < 1:
        raise ValueError(f"depth is {depth}; every stage has 1 or more blocks")


def stride_of_stages(front: Front, strides: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """Signal positions a cell: the front's times those of all steps."""
    time, space = (math.prod(step[axis] for step in strides) for axis in (0, 1))
    return front.time * time, front.space * space, front.space * space
