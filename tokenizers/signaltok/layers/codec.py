"""What the encoder and the decoder of a codec share: the names of their layers, and the way through a network."""

import math
from collections.abc import Sequence
from fractions import Fraction

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Chain, SignalLayer, context
from signaltok.types.memory import Memory


def numbered(name: str, layers: Sequence[SignalLayer] | None) -> dict[str, SignalLayer]:
    """name0, name1 and so on."""
    return {f"{name}{number}": layer for number, layer in enumerate(layers or ())}


def stride_of(trunk: Chain) -> int:
    """Signal positions a cell, from the layers. Raises ValueError where that is no whole number."""
    scale = trunk.scale if trunk.scale >= 1 else 1 / trunk.scale
    if scale.denominator != 1:
        raise ValueError(f"the layers make {trunk.scale} positions of one, which is no whole stride")
    return int(scale)


def reach_of(trunk: Chain, axes: int) -> tuple[int, ...] | None:
    """The receptive field of an encoder or a decoder, as signaltok.parts counts it."""
    reach = context(trunk, 0, 0 if trunk.scale <= 1 else int(trunk.scale) - 1)
    return None if reach is None else (reach,) * axes


def least_cells(trunk: Chain) -> int:
    """Cells that the first of several pieces must have."""
    return math.ceil(trunk.least * min(trunk.scale, Fraction(1)))


def whole(trunk: Chain, x: Float[Tensor, "b c *l"], lengths: Int64[Tensor, "b axes"] | None) -> Tensor:
    """Through the trunk at once."""
    return trunk(x, extent=Extent(lengths, None))


def next_piece(trunk: Chain, x: Float[Tensor, "1 c l"], memory: Memory) -> Tensor:
    """Through the trunk as the next piece of a signal."""
    return trunk(x, extent=Extent(None, memory))
