"""The trunk of QuartzNet (Kriman et al. 2019, section 2): blocks of separable convolutions, each with a shortcut."""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.layers.codec import numbered
from signaltok.layers.extent import Extent
from signaltok.layers.residual_convolutions import NormalisedConvolution
from signaltok.layers.signal_layer import Chain, Place, Residual, SignalLayer


class QuartzBlock(SignalLayer):
    """relu(norm(pointwise(x)) + so many separable convolutions, the last without its relu)."""

    def __init__(self, *, inputs: int, outputs: int, kernel: int, repeats: int, momentum: float) -> None:
        super().__init__()
        plain: dict[str, Any] = {"outputs": outputs, "stride": 1, "dilation": 1, "momentum": momentum}
        layers = [
            NormalisedConvolution(
                inputs=outputs if number else inputs,
                kernel=kernel,
                separable=True,
                active=number + 1 < repeats,
                **plain,
            )
            for number in range(repeats)
        ]
        shortcut = NormalisedConvolution(inputs=inputs, kernel=1, separable=False, active=False, **plain)
        self.both = Residual(branch=Chain(layers=numbered("conv", layers)), shortcut=shortcut)
        self.causal = False

    def forward(self, x: Float[Tensor, "b c l"], *, extent: Extent) -> Float[Tensor, "b d l"]:
        """See SignalLayer."""
        return F.relu(self.both(x, extent=extent))

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return self.both.looks(first, last)


class QuartzNet(SignalLayer):
    """x [b, inputs, l] -> [b, last_width, ceil(l / stride)].

    A separable convolution of stem_kernel and `stride`; for each of widths and kernels `copies` blocks of `repeats`
    separable convolutions; a separable one of last_kernel and dilation 2; a pointwise one to last_width. momentum: of
    the batch norms.
    """

    def __init__(
        self,
        *,
        inputs: int,
        stem_kernel: int,
        stride: int,
        widths: list[int],
        kernels: list[int],
        copies: int,
        repeats: int,
        last_kernel: int,
        last_width: int,
        momentum: float,
    ) -> None:
        super().__init__()
        if len(widths) != len(kernels) or not widths or min(copies, repeats) < 1:
            raise ValueError(
                f"widths {widths} and kernels {kernels} are one for each group of blocks; copies {copies} and repeats "
                f"{repeats} are 1 or more"
            )
        plain: dict[str, Any] = {"active": True, "momentum": momentum}
        stem = NormalisedConvolution(
            inputs=inputs, outputs=widths[0], kernel=stem_kernel, stride=stride, dilation=1, separable=True, **plain
        )
        blocks, width = [], widths[0]
        for wide, kernel in zip(widths, kernels, strict=True):
            for _ in range(copies):
                blocks.append(
                    QuartzBlock(inputs=width, outputs=wide, kernel=kernel, repeats=repeats, momentum=momentum)
                )
                width = wide
        last = [
            NormalisedConvolution(
                inputs=width, outputs=width, kernel=last_kernel, stride=1, dilation=2, separable=True, **plain
            ),
            NormalisedConvolution(
                inputs=width, outputs=last_width, kernel=1, stride=1, dilation=1, separable=False, **plain
            ),
        ]
        self.layers = Chain(layers={"stem": stem, **numbered("block", blocks), **numbered("last", last)})
        self.scale, self.causal = self.layers.scale, False

    def forward(self, x: Float[Tensor, "b c l"], *, extent: Extent) -> Float[Tensor, "b d m"]:
        """See SignalLayer."""
        return self.layers(x, extent=extent)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return self.layers.looks(first, last)
