"""The causal decoders of encoders.staged_video: the middle, then stages, each made finer behind its blocks."""

from itertools import pairwise

from torch import Tensor, nn

from signaltok.decoders.causal_video import CausalVideoDecoder
from signaltok.layers.front import Front
from signaltok.layers.grid_extent import grid_extent
from signaltok.layers.video import check_stages, stride_of_stages
from signaltok.layers.video_residual import VideoDesign
from signaltok.types.memory import Memory


class StagedVideoDecoder(CausalVideoDecoder):
    """latent [b, latent_dim, t, h, w] -> signal [b, channels, *(t, h, w) * stride], its first `lead` frames too many.

    widths, strides: of each stage, coarsest first, and of the step behind it. depth: blocks of each; both papers have
    one more than in the encoder. The rest as there.
    """

    receptive_field = None

    def __init__(
        self,
        *,
        axes: int,
        channels: int,
        front: Front,
        design: VideoDesign,
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
        self.stem = design.convolution(latent_dim, widths[0])
        self.middle = nn.ModuleList(design.middle(widths[0]))
        self.stages, self.up = nn.ModuleList(), nn.ModuleList()
        for (before, width), (time, space) in zip(pairwise([widths[0], *widths]), strides, strict=True):
            shapes = [(before, width)] + [(width, width)] * (depth - 1)
            self.stages.append(nn.ModuleList(layer for shape in shapes for layer in design.block(*shape)))
            self.up.append(nn.ModuleList(design.up(width, time == 2, space == 2)))
        self.project = design.last(widths[-1], channels * front.size)

    def _decoded(self, z_q: Tensor, cells: Tensor | None, memory: Memory | None) -> Tensor:
        extent = grid_extent(cells, memory, tuple(z_q.shape[2:]))
        x = self.stem(z_q, extent=extent)
        for layer in self.middle:
            x = layer(x, extent=extent)
        for blocks, up in zip(self.stages, self.up, strict=True):
            for layer in (*blocks, *up):  # type: ignore[misc]
                x = layer(x, extent=extent)
        return self.front.join(self.project(x, extent=extent))
