"""The layers of Cosmos's tokenizers (Agarwal et al. 2025, section 4.1): convolutions over the frame, then along time.

Where sizes change, a convolution and a plain average or repetition are added up, over the frame and along time in turn.
In the middle, attention within each frame and along time at each position.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Chain, SignalLayer
from signaltok.layers.time_convolution import CausalConvolution
from signaltok.layers.video_attention import FrameAttention, TimeAttention
from signaltok.layers.video_norm import FrameNorm
from signaltok.layers.video_residual import NormedResidual, VideoDesign, repeated, residual, same


class PooledDown(SignalLayer):
    """convolution(x) + mean(x) over the positions of a cell, of two frames or of two by two positions of a frame."""

    def __init__(self, *, width: int, time: bool) -> None:
        super().__init__()
        kernel, stride = ((3, 1), (2, 1)) if time else ((1, 3), (1, 2))
        self.cell = (2, 1, 1) if time else (1, 2, 2)
        self.convolution = CausalConvolution(inputs=width, outputs=width, kernel=kernel, stride=stride)

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t_out h_out w_out"]:
        """See SignalLayer; what is halved is even."""
        return self.convolution(x, extent=extent) + F.avg_pool3d(x, self.cell)


class RepeatedUp(SignalLayer):
    """y + convolution(y), where y has every frame twice, or every position of a frame on both axes."""

    def __init__(self, *, width: int, time: bool) -> None:
        super().__init__()
        self.time = time
        self.convolution = same(width, width, 3, 1) if time else same(width, width, 1, 3)

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t_out h_out w_out"]:
        """See SignalLayer."""
        y = repeated(x, 2) if self.time else repeated(repeated(x, 3), 4)
        return y + self.convolution(y, extent=extent)


class Cosmos(VideoDesign):
    """window: frames of the latent that attention along time looks at, its own included; the paper has no bound."""

    def __init__(self, *, window: int) -> None:
        if window < 1:
            raise ValueError(f"window is {window}; attention along time looks at 1 or more frames, its own included")
        self.window = window

    def norm(self, width: int) -> FrameNorm:
        """See VideoDesign."""
        return FrameNorm(width=width, groups=1)

    def convolution(self, inputs: int, outputs: int) -> SignalLayer:
        """See VideoDesign."""
        return Chain(layers={"frame": same(inputs, outputs, 1, 3), "time": same(outputs, outputs, 3, 1)})

    def block(self, inputs: int, outputs: int) -> list[SignalLayer]:
        """See VideoDesign."""
        return [self._unit(inputs, outputs)]

    def middle(self, width: int) -> list[SignalLayer]:
        """See VideoDesign."""
        frame = FrameAttention(width=width, norm=self.norm(width))
        time = TimeAttention(width=width, norm=self.norm(width), window=self.window)
        return [self._unit(width, width), frame, time, self._unit(width, width)]

    def down(self, width: int, time: bool, space: bool) -> list[SignalLayer]:
        """See VideoDesign."""
        steps: list[SignalLayer] = [PooledDown(width=width, time=False)] if space else []
        steps += [PooledDown(width=width, time=True)] if time else []
        return [*steps, same(width, width, 1, 1)] if steps else []

    def up(self, width: int, time: bool, space: bool) -> list[SignalLayer]:
        """See VideoDesign."""
        steps: list[SignalLayer] = [RepeatedUp(width=width, time=True)] if time else []
        steps += [RepeatedUp(width=width, time=False)] if space else []
        return [*steps, same(width, width, 1, 1)] if steps else []

    def _unit(self, inputs: int, outputs: int) -> NormedResidual:
        return residual(self, inputs, outputs, self.convolution(inputs, outputs), self.convolution(outputs, outputs))
