"""Patch discriminators of videos: of their frames as pictures, and of frames and time together.

The second is PatchGAN (adversaries.patch) with kernels over three axes, which OmniTokenizer (Wang et al. 2024) has
beside that of frames. Along time its kernels are of three frames, so that any number of frames has a verdict.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.adversaries.patch import DEVIATION, SLOPE, WIDEST, verdict_of
from signaltok.layers.folded import folded, unfolded
from signaltok.parts import Discriminator, Verdict


class FramesDiscriminator(Discriminator):
    """What `pictures`, a discriminator of pictures, says of each frame by itself."""

    axes = 3

    def __init__(self, *, pictures: Discriminator) -> None:
        super().__init__()
        if pictures.axes != 2:
            raise ValueError(f"adversary.discriminator.pictures has axes {pictures.axes}; the frames of a video have 2")
        self.channels, self.least, self.pictures = pictures.channels, pictures.least, pictures

    @property
    def extents(self) -> tuple[int, ...]:
        """See Discriminator."""
        return (1, *self.pictures.extents)

    def forward(self, signal: Float[Tensor, "b c t h w"]) -> tuple[Verdict, ...]:
        """See Discriminator."""
        frames, _ = folded(signal, None)
        return tuple(
            Verdict(
                unfolded(verdict.logits, len(signal)),
                tuple(unfolded(features, len(signal)) for features in verdict.features),
            )
            for verdict in self.pictures(frames)
        )


class PaddedInTime(nn.Conv3d):
    """A convolution over three frames with a frame of zeros before and after the signal.

    Padded by itself: with few channels of an odd number and a single frame oneDNN's bfloat16 kernel for AMX reads
    memory that nobody wrote, where it is to pad that axis (torch 2.14.1), and gives NaN or worse.
    """

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b d *m"]:
        """See nn.Conv3d."""
        return super().forward(F.pad(x, (0, 0, 0, 0, 1, 1)))


class VideoPatchDiscriminator(Discriminator):
    """signal [b, channels, t, h, w] -> one verdict, logits [b, 1, ceil(t / 2^halvings), h // 2^layers - 2, likewise w].

    width: channels after the first layer. layers: those that halve height and width; halvings: how many of them, the
    first ones, halve time too. groups: of the norms; each width must be a multiple of it.
    """

    axes = 3

    def __init__(self, *, channels: int, width: int, layers: int, halvings: int, groups: int) -> None:
        super().__init__()
        if width < 1 or layers < 1 or groups < 1 or width % groups or not 0 <= halvings <= layers:
            raise ValueError(
                f"adversary.discriminator has width {width}, layers {layers}, halvings {halvings} and groups {groups}; "
                "give 1 or more of each, a width that is a multiple of groups, and halvings from 0 to layers"
            )
        self.channels, self.least = channels, 3 * 2**layers
        widths = [channels, *(width * min(2**number, WIDEST) for number in range(layers + 1)), 1]
        modules: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            space = 2 if number < layers else 1
            stride = (2 if number < halvings else 1, space, space)
            inner = 0 < number <= layers
            layer = PaddedInTime(inputs, outputs, (3, 4, 4), stride=stride, padding=(0, 1, 1), bias=not inner)
            nn.init.normal_(layer.weight, 0.0, DEVIATION)
            modules.append(layer)
            if inner:
                modules.append(nn.GroupNorm(groups, outputs))
            if number <= layers:
                modules.append(nn.LeakyReLU(SLOPE))
        self.body = nn.Sequential(*modules)

    @property
    def extents(self) -> tuple[int, ...]:
        """See Discriminator."""
        return (1, self.least, self.least)

    def forward(self, signal: Float[Tensor, "b c t h w"]) -> tuple[Verdict, ...]:
        """See Discriminator. Raises ValueError for frames too small for a single logit."""
        if min(signal.shape[3:]) < self.least:
            raise ValueError(
                f"the patch discriminator of videos needs frames of at least {self.least} x {self.least}, got "
                f"{tuple(signal.shape[3:])}; set adversary.discriminator.layers lower or data.size higher"
            )
        return (verdict_of(self.body, signal),)
