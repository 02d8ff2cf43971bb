"""Tensors that are dear to make and asked for again, kept in memory up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from torch import Tensor


class Remembered:
    """What was asked for last, as long as all of it takes no more than `limit` bytes; the oldest is forgotten first.

    What a call gives does not depend on what is remembered, as long as `make` gives the same each time. The tensors are
    shared: who changes one has to copy it. Copies of the owner in other processes begin empty.
    """

    def __init__(self, *, limit: int) -> None:
        assert limit >= 0, limit
        self.limit, self.held = limit, 0
        self._tensors: OrderedDict[Hashable, Tensor] = OrderedDict()

    def __call__(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """The tensor of a key, made if it is not at hand."""
        found = self._tensors.get(key)
        if found is not None:
            self._tensors.move_to_end(key)
            return found
        made = make()
        if made.nbytes <= self.limit:
            self._tensors[key] = made
            self.held += made.nbytes
            while self.held > self.limit:
                _, forgotten = self._tensors.popitem(last=False)
                self.held -= forgotten.nbytes
        return made

    def __getstate__(self) -> dict[str, int]:
        return {"limit": self.limit}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(limit=state["limit"])
