"""PatchGAN (Isola, Zhu, Zhou, Efros 2017, appendix 6.1.2), with GroupNorm (Wu and He 2018) in place of BatchNorm.

BatchNorm makes what is said of an item depend on its batch mates, and its running statistics differ between processes.
Both norms have a scale and a shift for each channel, so the number of parameters is that of the original.
"""

from jaxtyping import Float
from torch import Tensor, nn

from signaltok.layers.conv import CONVOLUTIONS, check_axes
from signaltok.parts import Discriminator, Verdict

WIDEST = 8  # times the first width, as in the original
SLOPE = 0.2
DEVIATION = 0.02  # of the first weights, as in the original


class PatchDiscriminator(Discriminator):
    """signal [b, channels, *s] -> one verdict with logits [b, 1, *l], l = s // 2^layers - 2.

    width: channels after the first layer. layers: those that halve the extent. groups: of the norms; each width must
    be a multiple of it.
    """

    def __init__(self, *, axes: int, channels: int, width: int, layers: int, groups: int) -> None:
        super().__init__()
        check_axes(axes)
        if width < 1 or layers < 1 or groups < 1 or width % groups:
            raise ValueError(
                f"adversary.discriminator has width {width}, layers {layers} and groups {groups}; give 1 or more of "
                "each, and a width that is a multiple of groups"
            )
        self.axes, self.channels, self.layers = axes, channels, layers
        self.least = 3 * 2**layers
        convolution = CONVOLUTIONS[axes]
        widths = [width * min(2**number, WIDEST) for number in range(layers + 1)]
        modules: list[nn.Module] = [convolution(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        for number in range(1, layers + 1):
            stride = 2 if number < layers else 1
            modules += [
                convolution(widths[number - 1], widths[number], 4, stride=stride, padding=1, bias=False),
                nn.GroupNorm(groups, widths[number]),
                nn.LeakyReLU(SLOPE),
            ]
        modules.append(convolution(widths[-1], 1, 4, padding=1))
        self.body = nn.Sequential(*modules)
        for module in modules:
            if isinstance(module, nn.modules.conv._ConvNd):
                nn.init.normal_(module.weight, 0.0, DEVIATION)

    def forward(self, signal: Float[Tensor, "b c *s"]) -> tuple[Verdict, ...]:
        """See Discriminator. Raises ValueError for signals too short for a single logit."""
        if min(signal.shape[2:]) < self.least:
            raise ValueError(
                f"a patch discriminator of {self.layers} layers needs signals of at least {self.least} on each axis, "
                f"got {tuple(signal.shape[2:])}; set adversary.discriminator.layers lower or data.size higher"
            )
        return (verdict_of(self.body, signal),)


def verdict_of(body: nn.Sequential, signal: Float[Tensor, "b c *s"]) -> Verdict:
    """What the layers of a body end with, and what each non-linearity of them gives."""
    features = []
    for module in body:
        signal = module(signal)
        if isinstance(module, nn.LeakyReLU):
            features.append(signal)
    return Verdict(signal, tuple(features))
