"""Residual convolutions over frames: the trunk of a small recognizer of speech."""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.layers.batch_norm import BatchNorm
from signaltok.layers.codec import numbered
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Chain, Place, Residual, SignalLayer

RULE = Convolutions(padding="same", mode="constant", norm=None)


class NormalisedConvolution(SignalLayer):
    """relu(norm(convolution(x))); dilation only without a stride. active: whether relu is there."""

    def __init__(
        self,
        *,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        dilation: int,
        separable: bool,
        active: bool,
        momentum: float,
    ) -> None:
        super().__init__()
        self.active = active
        if separable:
            self.depthwise = RULE.conv(
                1, inputs, inputs, kernel, stride=stride, dilation=dilation, groups=inputs, bias=False
            )
            self.conv = RULE.conv(1, inputs, outputs, 1, bias=False)
        else:
            self.depthwise = None
            self.conv = RULE.conv(1, inputs, outputs, kernel, stride=stride, dilation=dilation, bias=False)
        self.norm = BatchNorm(width=outputs, momentum=momentum, epsilon=1e-3, affine=True)
        self.causal, self.scale = False, (self.depthwise or self.conv).scale

    def forward(self, x: Float[Tensor, "b c l"], *, extent: Extent) -> Float[Tensor, "b d m"]:
        """See SignalLayer."""
        after = extent.scaled(self.scale)
        if self.depthwise is not None:
            x = self.conv(self.depthwise(x, extent=extent), extent=after)
        else:
            x = self.conv(x, extent=extent)
        x = self.norm(x, extent=after)
        return F.relu(x) if self.active else x

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return (self.depthwise or self.conv).looks(first, last)


class ResidualConvolutions(SignalLayer):
    """x [b, inputs, l] -> [b, width, ceil(l / product of strides)].

    A convolution for each of `strides`, with stem_kernel, then depth blocks x + relu(norm(convolution(x))) with
    kernel. momentum: of the batch norms.
    """

    def __init__(
        self, *, inputs: int, width: int, strides: list[int], stem_kernel: int, depth: int, kernel: int, momentum: float
    ) -> None:
        super().__init__()
        if depth < 1 or min(strides, default=0) < 1:
            raise ValueError(f"depth {depth} and strides {strides} must be 1 or more")
        plain: dict[str, Any] = {
            "outputs": width,
            "dilation": 1,
            "separable": False,
            "active": True,
            "momentum": momentum,
        }
        stems = [
            NormalisedConvolution(inputs=width if number else inputs, kernel=stem_kernel, stride=stride, **plain)
            for number, stride in enumerate(strides)
        ]
        blocks = [
            Residual(branch=NormalisedConvolution(inputs=width, kernel=kernel, stride=1, **plain), shortcut=None)
            for _ in range(depth)
        ]
        self.layers = Chain(layers={**numbered("stem", stems), **numbered("block", blocks)})
        self.width, self.scale, self.causal = width, self.layers.scale, False

    def forward(self, x: Float[Tensor, "b c l"], *, extent: Extent) -> Float[Tensor, "b d m"]:
        """See SignalLayer."""
        return self.layers(x, extent=extent)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return self.layers.looks(first, last)
