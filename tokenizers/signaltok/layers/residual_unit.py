"""Residual units of convolutional codecs (SEANet: Tagliasacchi et al. 2020; SoundStream: Zeghidour et al. 2021)."""

from signaltok.layers.activation import Activation
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.signal_layer import Chain, Residual, SignalLayer
from signaltok.parts import Part


class ResidualUnits(Part):
    """The recipe of the units between two strides: one for each dilation.

    A unit is x + conv1(act(conv_kernel(act(x)))) with the dilation in the first convolution. compress: by what the
    channels are divided inside. shortcut: whether x passes a pointwise convolution of its own.
    """

    def __init__(self, *, kernel: int, dilations: list[int], compress: int, shortcut: bool) -> None:
        if kernel % 2 == 0 or not dilations or min(dilations) < 1:
            raise ValueError(f"kernel must be odd and dilations positive, got {kernel} and {dilations}")
        self.kernel, self.dilations, self.compress, self.shortcut = kernel, tuple(dilations), compress, shortcut

    def build(
        self, axes: int, width: int, activation: Activation, convolutions: Convolutions, depthwise: bool
    ) -> dict[str, SignalLayer]:
        """The units by name: unit0, unit1 and so on. depthwise: the first convolution is one a channel."""
        if width % self.compress or (depthwise and self.compress != 1):
            raise ValueError(f"units of width {width} cannot be compressed by {self.compress} (depthwise: {depthwise})")
        inner = width // self.compress
        return {
            f"unit{number}": Residual(
                branch=Chain(
                    layers={
                        "activation0": activation.build(width),
                        "conv0": convolutions.conv(
                            axes, width, inner, self.kernel, dilation=dilation, groups=width if depthwise else 1
                        ),
                        "activation1": activation.build(inner),
                        "conv1": convolutions.conv(axes, inner, width, 1),
                    }
                ),
                shortcut=convolutions.conv(axes, width, width, 1) if self.shortcut else None,
            )
            for number, dilation in enumerate(self.dilations)
        }
