"""One random affine map and one random change of colour of a drawing on white, at the cost of a single resampling."""

import math

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from signaltok.parts import Part


class AffineColour(Part):
    """uint8 [3, h, w] -> the same; what comes into view is white. Draws by torch's own generator.

    degrees: largest rotation; shift: largest move, as a share of the side; scale: smallest and largest size, drawn
    evenly in its logarithm; flip: probability that left and right change places; gain, mix, offset: the largest change
    of a colour channel's factor, of what it takes from each of the others, and of what is added (white being 1).
    """

    def __init__(
        self,
        *,
        degrees: float,
        shift: float,
        scale: list[float],
        flip: float,
        gain: float,
        mix: float,
        offset: float,
    ) -> None:
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale is {scale}; give the smallest and the largest size, such as [0.8, 1.2]")
        if min(degrees, shift, flip, gain, mix, offset) < 0 or flip > 1:
            raise ValueError(
                f"degrees {degrees}, shift {shift}, flip {flip}, gain {gain}, mix {mix} and offset {offset} must be 0 "
                "or more, and flip at most 1"
            )
        self.degrees, self.shift, self.flip = degrees, shift, flip
        self.scale = (math.log(scale[0]), math.log(scale[1]))
        self.gain, self.mix, self.offset = gain, mix, offset

    def __str__(self) -> str:
        return f"AffineColour({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"

    def __call__(self, pixels: UInt8[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h w"]:
        """Drawn anew each time."""
        drawn = torch.rand(17).mul_(2).sub_(1)
        angle, x, y, size, mirror = drawn[:5].tolist()
        angle *= math.radians(self.degrees)
        low, high = self.scale
        # From places in the result to places in the drawing, so a larger picture is a smaller step.
        step = math.exp(-(low + (high - low) * (size + 1) / 2))
        across = -step if (mirror + 1) / 2 < self.flip else step
        cosine, sine = math.cos(angle), math.sin(angle)
        affine = torch.tensor([[
            [across * cosine, -step * sine, 2 * self.shift * x],
            [across * sine, step * cosine, 2 * self.shift * y],
        ]])  # fmt: skip
        missing = 1 - pixels.float().div_(255)  # what is not white, so that zeros beyond the border are white
        grid = F.affine_grid(affine, [1, *pixels.shape], align_corners=False)
        missing = F.grid_sample(missing[None], grid, padding_mode="zeros", align_corners=False)[0]
        colours = drawn[5:14].view(3, 3) * self.mix
        colours.diagonal().copy_(1 + self.gain * drawn[[5, 9, 13]])
        # White stays white where nothing is drawn but for the offset, which is of the whole picture.
        changed = torch.einsum("cd,dhw->chw", colours, missing) + self.offset * drawn[14:17, None, None]
        return (1 - changed).mul_(255).round_().clamp_(0, 255).to(torch.uint8)
