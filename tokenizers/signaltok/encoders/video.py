"""A causal encoder of videos (MAGVIT-2, Yu et al. 2024, section 3.2; VidTok, Tang et al. 2024; Cosmos, 2025).

front -> stem -> for each width: fewer frames, residual blocks; between two widths half the height and width -> latent.
The first frame has a latent of its own: time is led by copies of it, so 1 + n * stride frames become 1 + n cells, and a
single frame is encoded as a picture. What a cell says depends on no frame after its last one.
"""

from itertools import pairwise

from torch import Tensor, nn

from signaltok.encoders.causal_video import CausalVideoEncoder
from signaltok.layers.conv import silence
from signaltok.layers.front import Front
from signaltok.layers.time_convolution import Slower
from signaltok.layers.video import blocks_of, check_shape, mask_at, over_frames, rates, stride_of
from signaltok.types.memory import Memory


class VideoEncoder(CausalVideoEncoder):
    """signal [b, channels, t, h, w] -> latent [b, latent_dim, *ceil((t + lead, h, w) / stride)].

    front: patches or a Haar transform. widths: channels of each stage, finest first, each of half the height and width
    of the one before. time_strides: frames that each stage makes one, before its blocks. depth: blocks of each stage,
    time_kernel: frames that their convolutions along time look at. What lacks at an end of a cell is the last position.
    """

    def __init__(
        self,
        *,
        axes: int,
        channels: int,
        front: Front,
        widths: list[int],
        time_strides: list[int],
        depth: int,
        time_kernel: int,
        latent_dim: int,
    ) -> None:
        super().__init__()
        check_shape(axes, widths, time_strides)
        self.axes, self.channels, self.latent_dim, self.front = axes, channels, latent_dim, front
        self.stride = stride_of(front, time_strides)
        self.lead = (self.stride[0] - 1, 0, 0)
        self.stem = over_frames(channels * front.size, widths[0], 3)
        self.slower = nn.ModuleList(
            Slower(width=width, factor=factor) if factor > 1 else nn.Identity()
            for width, factor in zip(widths, time_strides, strict=True)
        )
        self.stages = nn.ModuleList(blocks_of(width, depth, time_kernel) for width in widths)
        self.down = nn.ModuleList(
            nn.Conv3d(fine, coarse, (1, 2, 2), stride=(1, 2, 2)) for fine, coarse in pairwise(widths)
        )
        self.project = over_frames(widths[-1], latent_dim, 1)
        self.rates = rates(time_strides)
        looks = [depth * self.stride[axis] // rate[axis] for rate in self.rates for axis in (0, 1)]
        back, aside = (time_kernel - 1) * sum(looks[::2]), front.space + sum(looks[1::2])
        self.receptive_field = (back, aside, aside)

    def _encoded(self, x: Tensor, cells: Tensor | None, memory: Memory | None) -> Tensor:
        x = self.front.split(x)
        fine = (self.stride[0] // self.front.time, *self.rates[0][1:])
        x = self.stem(silence(x, mask_at(cells, fine, tuple(x.shape[2:]))))
        for number, (slower, blocks) in enumerate(zip(self.slower, self.stages, strict=True)):
            if number:
                x = self.down[number - 1](x)
            x = slower(x)
            mask = mask_at(cells, self.rates[number], tuple(x.shape[2:]))
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, mask, memory)
        return self.project(x)
