"""Extent: what a layer is told about a signal beside its values: where it ends, and what came before."""

from dataclasses import dataclass, field
from fractions import Fraction

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from signaltok.types.memory import Memory
from signaltok.types.token_stack import valid_mask


@dataclass(frozen=True)
class Extent:
    """lengths: valid extents of the items of a batch, at this layer's own rate; None: all full.

    memory: where the signal is a piece of a longer one, what the layers remember of it; None: it is whole. Pieces come
    one item at a time and without lengths.
    """

    lengths: Int64[Tensor, "b axes"] | None
    memory: Memory | None
    _masks: dict[tuple[int, ...], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert self.lengths is None or self.memory is None, "a piece of a signal is full"

    def mask(self, size: tuple[int, ...]) -> Bool[Tensor, "b 1 *l"] | None:
        """True at the valid positions of a signal of this size; None where all are."""
        if self.lengths is None:
            return None
        if size not in self._masks:
            self._masks[size] = valid_mask(self.lengths, size)
        return self._masks[size]

    def silenced(self, x: Float[Tensor, "b c *l"]) -> Float[Tensor, "b c *l"]:
        """x with zeros beyond the valid extent, whatever stood there."""
        mask = self.mask(tuple(x.shape[2:]))
        return x if mask is None else x.masked_fill(~mask, 0.0)

    def scaled(self, scale: Fraction) -> "Extent":
        """Of the signal after a layer that makes `scale` positions of one: rounded up where it makes fewer."""
        if self.lengths is None or scale == 1:
            return self
        up, down = scale.numerator, scale.denominator
        return Extent((self.lengths * up + down - 1) // down, None)
