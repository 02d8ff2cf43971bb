"""What a multiscale quantizer may do to a look-up after it has been brought back to the latent's grid."""

from jaxtyping import Float
from torch import Tensor, nn

from signaltok.layers.conv import check_axes, conv
from signaltok.parts import Part


class PartlySharedConvolutions(Part, nn.Module):
    """phi(h) = (1 - ratio) h + ratio conv3(h) with a few convolutions for all scales (VAR, Tian et al. 2024, phi_k).

    count convolutions; a scale takes the one whose place, evenly spread over [0, 1], is nearest to the scale's own.
    axes, width: of the latent.
    """

    def __init__(self, *, axes: int, width: int, count: int, ratio: float) -> None:
        super().__init__()
        check_axes(axes)
        if count < 1 or not 0 < ratio <= 1:
            raise ValueError(f"count must be at least 1 and ratio lie in (0, 1], got {count} and {ratio}")
        self.ratio = ratio
        self.convolutions = nn.ModuleList(conv(axes, width, width, 3) for _ in range(count))

    def forward(self, h: Float[Tensor, "b d *l"], number: int, scales: int) -> Float[Tensor, "b d *l"]:
        """h of scale `number` of so many, zero beyond each item's end; the caller silences what comes out there."""
        count = len(self.convolutions)
        margin = 1 / (3 * count) if count == 4 else 1 / (2 * count)  # as published
        step = (1 - 2 * margin) / max(count - 1, 1)
        place = number / max(scales - 1, 1)
        nearest = min(range(count), key=lambda n: abs(margin + n * step - place))
        return (1 - self.ratio) * h + self.ratio * self.convolutions[nearest](h)
