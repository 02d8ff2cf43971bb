"""Causal encoders of videos as VidTok (Tang et al. 2024) and Cosmos (Agarwal et al. 2025) publish them, and of frames.

front -> stem -> for each width: blocks, then fewer frames and positions -> middle -> norm, silu, latent.
As in encoders.video the first frame has a latent of its own; unlike there, attention looks at a whole frame.
"""

from itertools import pairwise

from torch import Tensor, nn

from signaltok.encoders.causal_video import CausalVideoEncoder
from signaltok.layers.front import Front
from signaltok.layers.grid_extent import grid_extent
from signaltok.layers.video import check_stages, stride_of_stages
from signaltok.layers.video_residual import VideoDesign
from signaltok.types.memory import Memory


class StagedVideoEncoder(CausalVideoEncoder):
    """signal [b, channels, t, h, w] -> latent [b, latent_dim, *ceil((t + lead, h, w) / stride)].

    front: patches or a Haar transform. design: what the layers are. stem_width: channels behind the first layer;
    widths: of each stage, finest first. depth: blocks of each. strides: of each stage the step behind it, 1 or 2 in
    time and 1 or 2 in height and width.
    """

    receptive_field = None  # attention in the middle looks at the whole frame

    def __init__(
        self,
        *,
        axes: int,
        channels: int,
        front: Front,
        design: VideoDesign,
        stem_width: int,
        widths: list[int],
        strides: list[list[int]],
        depth: int,
        latent_dim: int,
    ) -> None:
        super().__init__()
        check_stages(axes, widths, strides, depth)
        self.axes, self.channels, self.latent_dim, self.front = axes, channels, latent_dim, front
        self.stride = stride_of_stages(front, strides)
        self.lead = (self.stride[0] - 1, 0, 0) if self.stride[0] > 1 else None
        self.stem = design.convolution(channels * front.size, stem_width)
        self.stages, self.down = nn.ModuleList(), nn.ModuleList()
        for (before, width), (time, space) in zip(pairwise([stem_width, *widths]), strides, strict=True):
            shapes = [(before, width)] + [(width, width)] * (depth - 1)
            self.stages.append(nn.ModuleList(layer for shape in shapes for layer in design.block(*shape)))
            self.down.append(nn.ModuleList(design.down(width, time == 2, space == 2)))
        self.middle = nn.ModuleList(design.middle(widths[-1]))
        self.project = design.last(widths[-1], latent_dim)

    def _encoded(self, x: Tensor, cells: Tensor | None, memory: Memory | None) -> Tensor:
        grid = tuple(n // step for n, step in zip(x.shape[2:], self.stride, strict=True))
        extent = grid_extent(cells, memory, grid)
        x = self.stem(self.front.split(x), extent=extent)
        for blocks, down in zip(self.stages, self.down, strict=True):
            for layer in (*blocks, *down):  # type: ignore[misc]
                x = layer(x, extent=extent)
        for layer in self.middle:
            x = layer(x, extent=extent)
        return self.project(x, extent=extent)
