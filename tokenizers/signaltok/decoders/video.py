"""The causal decoder of videos: the mirror of encoders.video. What a frame shows depends on no cell after its own."""

from itertools import pairwise

from torch import Tensor, nn

from signaltok.decoders.causal_video import CausalVideoDecoder
from signaltok.layers.conv import silence
from signaltok.layers.front import Front
from signaltok.layers.time_convolution import Faster
from signaltok.layers.video import blocks_of, check_shape, mask_at, over_frames, rates, stride_of
from signaltok.types.memory import Memory


class VideoDecoder(CausalVideoDecoder):
    """latent [b, latent_dim, t, h, w] -> signal [b, channels, *(t, h, w) * stride], its first `lead` frames too many.

    widths: channels of each stage, coarsest first. time_strides: finest first, as the encoder's. The rest as there.
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
        self.stem = over_frames(latent_dim, widths[0], 3)
        self.stages = nn.ModuleList(blocks_of(width, depth, time_kernel) for width in widths)
        self.faster = nn.ModuleList(
            Faster(width=width, factor=factor) if factor > 1 else nn.Identity()
            for width, factor in zip(widths, reversed(time_strides), strict=True)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(coarse, fine, (1, 2, 2), stride=(1, 2, 2)) for coarse, fine in pairwise(widths)
        )
        self.project = over_frames(widths[-1], channels * front.size, 3)
        self.rates = rates(time_strides)[::-1]
        # In latent positions: the stem looks one aside, a stage at rate r depth / r, the last layer one of the finest.
        fine = self.rates[-1][1]
        aside = fine + sum(depth * fine // rate[1] for rate in self.rates) + 1
        slow = self.rates[-1][0]
        back = (time_kernel - 1) * sum(depth * slow // rate[0] for rate in self.rates)
        self.receptive_field = (-(-back // slow), -(-aside // fine), -(-aside // fine))

    def _decoded(self, z_q: Tensor, cells: Tensor | None, memory: Memory | None) -> Tensor:
        x = self.stem(silence(z_q, mask_at(cells, (1, 1, 1), tuple(z_q.shape[2:]))))
        for number, (faster, blocks) in enumerate(zip(self.faster, self.stages, strict=True)):
            if number:
                x = self.up[number - 1](x)
            mask = mask_at(cells, self.rates[number], tuple(x.shape[2:]))
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, mask, memory)
            x = faster(x)
        fine = (self.stride[0] // self.front.time, *self.rates[-1][1:])
        return self.front.join(self.project(silence(x, mask_at(cells, fine, tuple(x.shape[2:])))))
