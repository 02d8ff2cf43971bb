"""What stands between a video and its network: patches as channels, or a Haar transform (Cosmos, Agarwal et al. 2025).

Both are exact and memoryless: a cell of the front is made of its own time x space x space positions and of no others.
"""

from abc import ABC, abstractmethod
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.parts import Part


class Front(Part, ABC):
    """time, space: positions that a cell has on the first axis and on the other two."""

    time: int
    space: int

    @abstractmethod
    def split(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c_out t_out h_out w_out"]:
        """c * time * space^2 channels; every extent a multiple of the cell's."""

    @abstractmethod
    def join(self, x: Float[Tensor, "b c_in t_in h_in w_in"]) -> Float[Tensor, "b c t h w"]:
        """The inverse of split."""

    @property
    def size(self) -> int:
        """Channels that one becomes."""
        return self.time * self.space**2


class Patches(Front):
    """Every position of a cell is a channel (space to depth)."""

    def __init__(self, *, time: int, space: int) -> None:
        if time < 1 or space < 1:
            raise ValueError(f"patches of {time} x {space} x {space} are none; both are 1 or more")
        self.time, self.space = time, space

    def split(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c_out t_out h_out w_out"]:
        """See Front."""
        b, c, t, h, w = x.shape
        p, q = self.time, self.space
        cells = x.reshape(b, c, t // p, p, h // q, q, w // q, q).permute(0, 1, 3, 5, 7, 2, 4, 6)
        return cells.reshape(b, c * self.size, t // p, h // q, w // q)

    def join(self, x: Float[Tensor, "b c_in t_in h_in w_in"]) -> Float[Tensor, "b c t h w"]:
        """See Front."""
        b, channels, t, h, w = x.shape
        p, q = self.time, self.space
        cells = x.reshape(b, channels // self.size, p, q, q, t, h, w).permute(0, 1, 5, 2, 6, 3, 7, 4)
        return cells.reshape(b, channels // self.size, t * p, h * q, w * q)


class Haar(Front):
    """Averages and half differences of neighbours along all three axes, `levels` times, each time of all channels.

    Cosmos's "3D wavelet" with two levels. Averages keep the range of the values, and the inverse is sums and
    differences; a level is the orthonormal transform but for one factor.
    """

    def __init__(self, *, levels: int) -> None:
        if levels < 1:
            raise ValueError(f"levels is {levels}; a Haar transform has 1 or more")
        self.levels = levels
        self.time = self.space = 2**levels

    def split(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c_out t_out h_out w_out"]:
        """See Front."""
        for _, axis in product(range(self.levels), (2, 3, 4)):
            one, other = _every_second(x, axis)
            x = torch.cat([(one + other) / 2, (one - other) / 2], dim=1)
        return x

    def join(self, x: Float[Tensor, "b c_in t_in h_in w_in"]) -> Float[Tensor, "b c t h w"]:
        """See Front."""
        for _, axis in product(range(self.levels), (4, 3, 2)):
            mean, half = x.chunk(2, dim=1)
            x = torch.stack([mean + half, mean - half], dim=axis + 1).flatten(axis, axis + 1)
        return x


def _every_second(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    pairs = x.unflatten(axis, (-1, 2))
    return pairs.select(axis + 1, 0), pairs.select(axis + 1, 1)
