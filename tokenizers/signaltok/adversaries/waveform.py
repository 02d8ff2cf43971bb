"""Discriminators of waveforms: stacks of layers over views of the signal, and several of them together."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from signaltok.adversaries.stacks import Stack
from signaltok.adversaries.views import View
from signaltok.parts import Discriminator, Part, Verdict


class ViewDiscriminator(Discriminator):
    """signal [b, channels, t] -> a verdict for each view, each by layers of its own that the one recipe makes.

    Of a view in several pieces (bands), each piece has layers of its own, and one head judges them side by side.
    """

    axes = 1

    def __init__(self, *, channels: int, views: Sequence[View], stack: Stack) -> None:
        super().__init__()
        if channels < 1 or not views:
            raise ValueError(
                f"adversary.discriminator has channels {channels} and {len(views)} views; give 1 or more of each"
            )
        self.channels = channels
        self.views = nn.ModuleList(views)
        self.least = max(view.least(stack.positions) for view in views)
        self.layers = nn.ModuleList()
        self.heads = nn.ModuleList()
        for view in views:
            width = view.width(channels)
            self.layers.append(nn.ModuleList([stack.layers(view.axes, width) for _ in view.extents]))
            extent = None if view.extents[0] is None else sum(size or 0 for size in view.extents)
            self.heads.append(stack.head(view.axes, extent))

    def forward(self, signal: Float[Tensor, "b c t"]) -> tuple[Verdict, ...]:
        """See Discriminator."""
        if signal.shape[2] < self.least:
            raise ValueError(
                f"the views of the discriminator need signals of at least {self.least} samples, got {signal.shape[2]}; "
                "set data to longer segments, or the views to shorter windows"
            )
        return tuple(
            _judge(view(signal), stacks, head)  # type: ignore[arg-type]
            for view, stacks, head in zip(self.views, self.layers, self.heads, strict=True)
        )


class PeakLevel(Part):
    """Every item without its mean and at one peak: peak * (x - mean) / (max |x - mean| + 1e-9), channel by channel.

    As the released code of Kumar et al. 2023 (DAC) shows signals to its discriminators, with a peak of 0.8. They then
    cannot tell a gain: keep a term that can.
    """

    def __init__(self, *, peak: float) -> None:
        if not peak > 0:
            raise ValueError(f"adversary.discriminator.level has peak {peak}; it must be above 0")
        self.peak = peak

    def __call__(self, signal: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """The signal at that level."""
        centred = signal - signal.mean(dim=2, keepdim=True)
        return self.peak * centred / (centred.abs().amax(dim=2, keepdim=True) + 1e-9)


class SeveralDiscriminators(Discriminator):
    """The verdicts of all members, in their order, on the signal at one level (None: as it is)."""

    def __init__(self, *, members: dict[str, Discriminator], level: PeakLevel | None) -> None:
        super().__init__()
        kinds = {(member.axes, member.channels) for member in members.values()}
        if len(kinds) != 1:
            raise ValueError(
                f"adversary.discriminator.members has {sorted(members)} with (axes, channels) {sorted(kinds)}; give "
                "one member or more, all for the same signals"
            )
        ((self.axes, self.channels),) = kinds
        self.members = nn.ModuleDict(members)
        self.level = level
        self.least = max(member.least for member in members.values())

    @property
    def extents(self) -> tuple[int, ...]:
        """See Discriminator."""
        members: list[Discriminator] = list(self.members.values())  # type: ignore[arg-type]
        return tuple(map(max, zip(*(member.extents for member in members), strict=True)))

    def forward(self, signal: Float[Tensor, "b c *s"]) -> tuple[Verdict, ...]:
        """See Discriminator."""
        if self.level is not None:
            signal = self.level(signal)
        return tuple(verdict for member in self.members.values() for verdict in member(signal))


def _judge(pieces: tuple[Tensor, ...], stacks: nn.ModuleList, head: nn.Module) -> Verdict:
    features, last = [], []
    for piece, stack in zip(pieces, stacks, strict=True):
        for layer in stack:  # type: ignore[union-attr]
            piece = layer(piece)
            features.append(piece)
        last.append(piece)
    return Verdict(head(last[0] if len(last) == 1 else torch.cat(last, dim=-1)), tuple(features))
