"""A few items spread evenly over a sequence whose length is not known beforehand."""

from typing import Generic, TypeVar

Item = TypeVar("Item")


class SpreadSelection(Generic[Item]):
    """Keeps every item at first, then every second, every fourth ..., so that never more than 2 * count are held."""

    def __init__(self, count: int) -> None:
        assert count > 0, count
        self._count, self._step, self._seen = count, 1, 0
        self._kept: list[Item] = []

    def wants(self) -> bool:
        """Whether the next item of the sequence would be kept."""
        return self._seen % self._step == 0

    def skip(self) -> None:
        """Pass over the next item, one that is not wanted."""
        assert not self.wants(), "this item is to be kept"
        self._seen += 1

    def add(self, item: Item) -> None:
        """Take the next item, one that is wanted."""
        assert self.wants(), "this item is not to be kept"
        self._seen += 1
        self._kept.append(item)
        if len(self._kept) == 2 * self._count:
            self._kept, self._step = self._kept[::2], 2 * self._step

    def items(self) -> list[Item]:
        """At most count items, in order, evenly spread."""
        if len(self._kept) <= self._count:
            return list(self._kept)
        spacing = (len(self._kept) - 1) / (self._count - 1) if self._count > 1 else 0.0
        return [self._kept[round(number * spacing)] for number in range(self._count)]
