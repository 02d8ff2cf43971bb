"""Memory: what a causal part remembers of a signal between two pieces of it."""

from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass
class Memory:
    """Filled by the layers as the pieces of one signal pass through them, in order.

    kept: by layer, what it needs of the pieces before; a layer that is not there meets its first piece. last: whether
    the piece now computed ends the signal. Its size does not grow with the signal.
    """

    kept: dict[nn.Module, tuple[Tensor, ...]] = field(default_factory=dict)
    last: bool = False

    @property
    def size(self) -> int:
        """How many numbers are remembered."""
        return sum(tensor.numel() for tensors in self.kept.values() for tensor in tensors)
