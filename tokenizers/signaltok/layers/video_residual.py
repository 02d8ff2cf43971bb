"""What published video networks are made of: residual units of two convolutions, each behind its norm."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import SignalLayer
from signaltok.layers.time_convolution import CausalConvolution
from signaltok.parts import Part


class NormedResidual(SignalLayer):
    """shortcut(x) + second(silu(norm(first(silu(norm(x)))))); a shortcut is a map of each position.

    first, second: of inputs to outputs channels and of outputs to outputs. norms: in front of them.
    """

    def __init__(
        self, *, inputs: int, outputs: int, norms: tuple[SignalLayer, SignalLayer], first: SignalLayer,
        second: SignalLayer,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norms, self.first, self.second = nn.ModuleList(norms), first, second
        self.shortcut = nn.Conv3d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b d t h w"]:
        """See SignalLayer."""
        before, between = self.norms
        y = self.first(F.silu(before(x, extent=extent)), extent=extent)
        return self.shortcut(x) + self.second(F.silu(between(y, extent=extent)), extent=extent)


class Plain(SignalLayer):
    """x -> convolution(silu(norm(x))), with which a network ends."""

    def __init__(self, *, norm: SignalLayer, convolution: SignalLayer) -> None:
        super().__init__()
        self.norm, self.convolution = norm, convolution

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b d t h w"]:
        """See SignalLayer."""
        return self.convolution(F.silu(self.norm(x, extent=extent)), extent=extent)


class VideoDesign(Part, ABC):
    """What the layers of a network for videos are; StagedVideoEncoder and StagedVideoDecoder put them together.

    Every layer is causal in time and keeps whole cells.
    """

    @abstractmethod
    def norm(self, width: int) -> SignalLayer:
        """One that looks at no more than a frame."""

    @abstractmethod
    def convolution(self, inputs: int, outputs: int) -> SignalLayer:
        """The first one of a network, and the last."""

    @abstractmethod
    def block(self, inputs: int, outputs: int) -> list[SignalLayer]:
        """What a stage repeats, one layer after another."""

    @abstractmethod
    def middle(self, width: int) -> list[SignalLayer]:
        """Between the coarsest stage and the latent."""

    @abstractmethod
    def down(self, width: int, time: bool, space: bool) -> list[SignalLayer]:
        """Half the frames, half the height and width, or both."""

    @abstractmethod
    def up(self, width: int, time: bool, space: bool) -> list[SignalLayer]:
        """The reverse."""

    def last(self, inputs: int, outputs: int) -> SignalLayer:
        """The end of a network."""
        return Plain(norm=self.norm(inputs), convolution=self.convolution(inputs, outputs))


def residual(design: VideoDesign, inputs: int, outputs: int, first: SignalLayer, second: SignalLayer) -> NormedResidual:
    """A unit with the norms of the design."""
    norms = design.norm(inputs), design.norm(outputs)
    return NormedResidual(inputs=inputs, outputs=outputs, norms=norms, first=first, second=second)


def same(inputs: int, outputs: int, time: int, space: int) -> CausalConvolution:
    """A convolution of stride one with a kernel of time x space x space."""
    return CausalConvolution(inputs=inputs, outputs=outputs, kernel=(time, space), stride=(1, 1))


def coarser(width: int) -> CausalConvolution:
    """Half the height and width: a convolution of three by three over the frame at every second position."""
    return CausalConvolution(inputs=width, outputs=width, kernel=(1, 3), stride=(1, 2))


def repeated(x: Tensor, axis: int) -> Tensor:
    """Every position twice."""
    return x.repeat_interleave(2, axis)


class Finer(SignalLayer):
    """Every position of a frame twice on both axes, then a convolution over the frame."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.convolution = same(width, width, 1, 3)

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t h_out w_out"]:
        """See SignalLayer."""
        return self.convolution(repeated(repeated(x, 3), 4), extent=extent)
