"""The layers of VidTok (Tang et al. 2024, section 3.1): blocks over the frame, each followed by one along time.

Convolutions over all three axes are the first, the last, those in the middle and those where the frame rate changes,
which are mixed with a plain average or repetition by a learned weight, alpha = sigmoid(2) at first.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import SignalLayer
from signaltok.layers.time_convolution import CausalConvolution, with_past
from signaltok.layers.video_attention import FrameAttention
from signaltok.layers.video_norm import ChannelNorm
from signaltok.layers.video_residual import Finer, NormedResidual, VideoDesign, coarser, repeated, residual, same

MIX = 2.0  # before the sigmoid
START = 0.01  # of what a branch along time adds


class MixedSlower(SignalLayer):
    """alpha * mean(three frames) + (1 - alpha) * convolution(the same): two frames and the one before become one."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.convolution = CausalConvolution(inputs=width, outputs=width, kernel=(3, 3), stride=(2, 1))
        self.mix = nn.Parameter(torch.tensor([MIX]))

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t_out h w"]:
        """See SignalLayer; t is even."""
        alpha = self.mix.sigmoid()
        mean = F.avg_pool3d(with_past(self, x, 1, extent), (3, 1, 1), stride=(2, 1, 1))
        return alpha * mean + (1 - alpha) * self.convolution(x, extent=extent)


class MixedFaster(SignalLayer):
    """alpha * y + (1 - alpha) * convolution(y), where y has each frame twice."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.convolution = same(width, width, 3, 3)
        self.mix = nn.Parameter(torch.tensor([MIX]))

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t_out h w"]:
        """See SignalLayer."""
        alpha, y = self.mix.sigmoid(), repeated(x, 2)
        return alpha * y + (1 - alpha) * self.convolution(y, extent=extent)


class VidTok(VideoDesign):
    """See the module."""

    def norm(self, width: int) -> ChannelNorm:
        """See VideoDesign."""
        return ChannelNorm(width=width)

    def convolution(self, inputs: int, outputs: int) -> CausalConvolution:
        """See VideoDesign."""
        return same(inputs, outputs, 3, 3)

    def block(self, inputs: int, outputs: int) -> list[SignalLayer]:
        """See VideoDesign; what is along time adds little at first, and in the paper nothing."""
        frame = residual(self, inputs, outputs, same(inputs, outputs, 1, 3), same(outputs, outputs, 1, 3))
        time = residual(self, outputs, outputs, same(outputs, outputs, 3, 1), same(outputs, outputs, 3, 1))
        with torch.no_grad():  # with zeros, what is in front of them would not learn in the first step
            for parameter in time.second.parameters():
                parameter.mul_(START)
        return [frame, time]

    def middle(self, width: int) -> list[SignalLayer]:
        """See VideoDesign."""
        return [self._whole(width), FrameAttention(width=width, norm=self.norm(width)), self._whole(width)]

    def down(self, width: int, time: bool, space: bool) -> list[SignalLayer]:
        """See VideoDesign."""
        steps: list[SignalLayer] = [coarser(width)] if space else []
        return [*steps, MixedSlower(width=width)] if time else steps

    def up(self, width: int, time: bool, space: bool) -> list[SignalLayer]:
        """See VideoDesign."""
        steps: list[SignalLayer] = [Finer(width=width)] if space else []
        return [*steps, MixedFaster(width=width)] if time else steps

    def _whole(self, width: int) -> NormedResidual:
        return residual(self, width, width, same(width, width, 3, 3), same(width, width, 3, 3))
