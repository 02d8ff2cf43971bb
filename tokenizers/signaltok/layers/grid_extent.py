"""The extent of a video within a network that keeps whole cells: at every stage it follows from the latent's."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from signaltok.layers.extent import Extent
from signaltok.types.memory import Memory
from signaltok.types.token_stack import valid_mask


@dataclass(frozen=True)
class GridExtent(Extent):
    """lengths: valid cells of the latent on each axis. grid: its size; every stage has a multiple of it."""

    grid: tuple[int, ...] = ()

    def mask(self, size: tuple[int, ...]) -> Bool[Tensor, "b 1 t h w"] | None:
        """See Extent."""
        if self.lengths is None:
            return None
        if size not in self._masks:
            rate = [n // cells for n, cells in zip(size, self.grid, strict=True)]
            assert [n * cells for n, cells in zip(rate, self.grid, strict=True)] == list(size), (size, self.grid)
            self._masks[size] = valid_mask(self.lengths * self.lengths.new_tensor(rate), size)
        return self._masks[size]


def grid_extent(lengths: Tensor | None, memory: Memory | None, grid: tuple[int, ...]) -> GridExtent:
    """Of a latent of this size; see Extent."""
    return GridExtent(lengths=lengths, memory=memory, grid=grid)
