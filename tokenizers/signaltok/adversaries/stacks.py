"""The layers under a view, as a recipe: each of its pieces gets layers of its own, made by `layers`, then one head.

Every convolution has weight norm (Salimans and Kingma 2016) as a parametrization, and zeros beyond the ends, so that
odd kernels keep the size and even ones halve it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from signaltok.layers.conv import CONVOLUTIONS
from signaltok.parts import Part


class Stack(Part, ABC):
    """Makes layers, each of which gives a feature, and the head that gives the logits of what comes last.

    positions: how many in time the layers need.
    """

    positions: int

    @abstractmethod
    def layers(self, axes: int, inputs: int) -> nn.ModuleList:
        """New layers over so many axes for so many channels."""

    @abstractmethod
    def head(self, axes: int, extent: int | None) -> nn.Module:
        """A new head: -> [b, 1, *l]. extent: of what the layers were given, on its second axis."""


class ConvolutionStack(Stack):
    """Convolutions, each with a leaky rectifier behind it: MelGAN's, HiFi-GAN's, EnCodec's and DAC's discriminators.

    widths, kernels, strides, dilations, groups: of each layer; kernels, strides and dilations a number per axis, odd
    kernels. head: the kernel of the head. slope: of the rectifier below 0. first_normed: whether the first layer has
    weight norm too; that of EnCodec's class has none.
    """

    positions = 1

    def __init__(
        self,
        *,
        widths: Sequence[int],
        kernels: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        dilations: Sequence[Sequence[int]],
        groups: Sequence[int],
        head: Sequence[int],
        slope: float,
        first_normed: bool,
    ) -> None:
        lists = {"widths": widths, "kernels": kernels, "strides": strides, "dilations": dilations, "groups": groups}
        counts = {name: len(given) for name, given in lists.items()}
        if not widths or len(set(counts.values())) > 1:
            raise ValueError(f"a convolution stack needs an entry of each list for each layer, it has {counts}")
        axes = {len(entry) for given in (kernels, strides, dilations, [head]) for entry in given}
        if len(axes) > 1 or not axes <= CONVOLUTIONS.keys():
            raise ValueError(
                f"a convolution stack has kernels {kernels}, strides {strides}, dilations {dilations} and head "
                f"{head}; give each the same number of numbers, one an axis"
            )
        if any(size % 2 == 0 for kernel in [*kernels, head] for size in kernel):
            raise ValueError(f"a convolution stack has kernels {kernels} and head {head}; they must be odd")
        for width, before, shares in zip(widths[1:], widths, groups[1:], strict=False):
            if width % shares or before % shares:
                raise ValueError(
                    f"a convolution stack has widths {list(widths)} and groups {list(groups)}; a layer's width, and "
                    "the one before it, must be multiples of its groups"
                )
        self.widths = list(widths)
        self.kernels, self.strides, self.dilations = kernels, strides, dilations
        self.groups = groups
        self.head_kernel = tuple(head)
        self.slope = slope
        self.first_normed = first_normed

    def layers(self, axes: int, inputs: int) -> nn.ModuleList:
        """See Stack. Raises ValueError where the view has another number of axes."""
        if axes != len(self.head_kernel):
            raise ValueError(
                f"a convolution stack has kernels over {len(self.head_kernel)} axes, its view has {axes}: periods and "
                "spectra have 2, scales 1"
            )
        made = nn.ModuleList()
        for number, width in enumerate(self.widths):
            layer = CONVOLUTIONS[axes](
                inputs,
                width,
                tuple(self.kernels[number]),
                stride=tuple(self.strides[number]),
                dilation=tuple(self.dilations[number]),
                padding=tuple(
                    size // 2 * step for size, step in zip(self.kernels[number], self.dilations[number], strict=True)
                ),
                groups=self.groups[number],
            )
            if number or self.first_normed:
                layer = weight_norm(layer)
            made.append(nn.Sequential(layer, nn.LeakyReLU(self.slope)))
            inputs = width
        return made

    def head(self, axes: int, extent: int | None) -> nn.Module:  # noqa: ARG002
        """See Stack."""
        padding = tuple(size // 2 for size in self.head_kernel)
        return weight_norm(CONVOLUTIONS[axes](self.widths[-1], 1, self.head_kernel, padding=padding))


class ResidualStack(Stack):
    """The layers over a spectrum of Zeghidour et al. 2021 (SoundStream), section III-D and figure 4.

    A 7 x 7 convolution to `width` channels; residual units, number n of width * multiples[n] channels and strides[n] =
    (time, frequency), of 1 or 2; a head over all that is left of the frequencies.
    """

    def __init__(self, *, width: int, multiples: Sequence[int], strides: Sequence[Sequence[int]]) -> None:
        if width < 1 or not multiples or len(multiples) != len(strides):
            raise ValueError(
                f"a residual stack has width {width}, multiples {list(multiples)} and strides {list(strides)}; give a "
                "multiple and a pair of strides for each unit"
            )
        if any(len(pair) != 2 or not set(pair) <= {1, 2} for pair in strides):
            raise ValueError(f"a residual stack has strides {list(strides)}; each is a pair of 1 or 2")
        self.width = width
        self.multiples = list(multiples)
        self.strides = [(pair[0], pair[1]) for pair in strides]
        self.positions = math.prod(time for time, _ in self.strides)

    def layers(self, axes: int, inputs: int) -> nn.ModuleList:
        """See Stack. Raises ValueError for anything but spectra."""
        if axes != 2:
            raise ValueError(f"a residual stack judges spectra, its view has {axes} axes")
        made = nn.ModuleList([nn.Sequential(weight_norm(nn.Conv2d(inputs, self.width, 7, padding=3)), nn.ELU())])
        before = self.width
        for multiple, stride in zip(self.multiples, self.strides, strict=True):
            made.append(ResidualUnit(inputs=before, outputs=self.width * multiple, stride=stride))
            before = self.width * multiple
        return made

    def head(self, axes: int, extent: int | None) -> nn.Module:  # noqa: ARG002
        """See Stack. Raises ValueError where no frequency is left."""
        left = (extent or 0) // math.prod(frequency for _, frequency in self.strides)
        if left < 1:
            raise ValueError(
                f"a residual stack halves {extent} frequencies away with strides {self.strides}; give the view a "
                "longer window"
            )
        return weight_norm(nn.Conv2d(self.width * self.multiples[-1], 1, (1, left)))


class ResidualUnit(nn.Module):
    """elu(1x1 of x + conv of elu(3x3 of x)); the last two convolutions have the stride, and kernels 2 longer."""

    def __init__(self, *, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        kernel = (stride[0] + 2, stride[1] + 2)
        self.inner = weight_norm(nn.Conv2d(inputs, inputs, 3, padding=1))
        self.outer = weight_norm(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1))
        self.beside = weight_norm(nn.Conv2d(inputs, outputs, 1, stride=stride))

    def forward(self, x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b d u g"]:
        """t // stride windows, f // stride frequencies."""
        inner = self.outer(F.elu(self.inner(x)))
        # An odd extent leaves the 1x1 one position more.
        beside = self.beside(x)[..., : inner.shape[2], : inner.shape[3]]
        return F.elu(beside + inner)
