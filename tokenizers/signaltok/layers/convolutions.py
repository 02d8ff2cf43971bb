"""Convolutions: the rule that all convolutions of a network have in common, and the layers built by it."""

from signaltok.layers.convolution import NORMS, PADDINGS, Convolution, TransposedConvolution
from signaltok.layers.padding import MODES
from signaltok.parts import Part


class Convolutions(Part):
    """padding: "same" or "causal". mode: "constant", "reflect" or "replicate". norm: "weight", "time_group" or None."""

    def __init__(self, *, padding: str, mode: str, norm: str | None) -> None:
        if padding not in PADDINGS or padding == "valid":
            raise ValueError(f"padding must be 'same' or 'causal', which keep lengths; got {padding!r}")
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}, got {norm!r}")
        self.padding, self.mode, self.norm = padding, mode, norm

    def conv(
        self,
        axes: int,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> Convolution:
        """A convolution."""
        return Convolution(
            axes=axes,
            inputs=inputs,
            outputs=outputs,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            groups=groups,
            bias=bias,
            padding=self.padding,
            mode=self.mode,
            norm=self.norm,
        )

    def transposed(self, axes: int, inputs: int, outputs: int, kernel: int, *, stride: int) -> TransposedConvolution:
        """A transposed convolution."""
        return TransposedConvolution(
            axes=axes,
            inputs=inputs,
            outputs=outputs,
            kernel=kernel,
            stride=stride,
            groups=1,
            bias=True,
            padding=self.padding,
            norm=self.norm,
        )
