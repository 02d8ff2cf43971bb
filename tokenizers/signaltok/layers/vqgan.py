"""The layers of VQGAN (Esser et al. 2021, taming transformers), over each frame: nothing passes along time."""

from signaltok.layers.signal_layer import SignalLayer
from signaltok.layers.time_convolution import CausalConvolution
from signaltok.layers.video_attention import FrameAttention
from signaltok.layers.video_norm import FrameNorm
from signaltok.layers.video_residual import Finer, NormedResidual, VideoDesign, coarser, residual, same


class Vqgan(VideoDesign):
    """groups: of the channels that a norm averages over; 32 in the paper."""

    def __init__(self, *, groups: int) -> None:
        if groups < 1:
            raise ValueError(f"groups is {groups}; a norm has 1 or more, and every width is a multiple of them")
        self.groups = groups

    def norm(self, width: int) -> FrameNorm:
        """See VideoDesign."""
        return FrameNorm(width=width, groups=self.groups)

    def convolution(self, inputs: int, outputs: int) -> CausalConvolution:
        """See VideoDesign."""
        return same(inputs, outputs, 1, 3)

    def block(self, inputs: int, outputs: int) -> list[SignalLayer]:
        """See VideoDesign."""
        return [self._unit(inputs, outputs)]

    def middle(self, width: int) -> list[SignalLayer]:
        """See VideoDesign."""
        return [self._unit(width, width), FrameAttention(width=width, norm=self.norm(width)), self._unit(width, width)]

    def down(self, width: int, time: bool, space: bool) -> list[SignalLayer]:
        """See VideoDesign; raises ValueError for a step in time."""
        _check(time)
        return [coarser(width)] if space else []

    def up(self, width: int, time: bool, space: bool) -> list[SignalLayer]:
        """See VideoDesign; raises ValueError for a step in time."""
        _check(time)
        return [Finer(width=width)] if space else []

    def _unit(self, inputs: int, outputs: int) -> NormedResidual:
        return residual(self, inputs, outputs, same(inputs, outputs, 1, 3), same(outputs, outputs, 1, 3))


def _check(time: bool) -> None:
    if time:
        raise ValueError("frames stay apart in this design; each of the strides must have 1 in time")
