"""The LSTM of EnCodec (Défossez et al. 2022, section 3.1): over time, added to its input."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Place, SignalLayer


class Lstm(SignalLayer):
    """x + LSTM(x) along the only axis of x [b, width, l], one direction; goes on from its state.

    What lies beyond an item's end comes later in time, and so has no effect on the item.
    """

    def __init__(self, *, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, layers)

    def forward(self, x: Float[Tensor, "b c l"], *, extent: Extent) -> Float[Tensor, "b c l"]:
        """See SignalLayer."""
        steps = x.permute(2, 0, 1)
        if extent.memory is None:
            y, _ = self.lstm(steps)
        else:
            y, extent.memory.kept[self] = self.lstm(steps, extent.memory.kept.get(self))
        return (y + steps).permute(1, 2, 0)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:  # noqa: ARG002
        """All that came before."""
        return -math.inf, last
