"""The options of a public model: which are read, and which must have the one value that a codec of ours has."""

from collections.abc import Sequence
from typing import Any

from signaltok.published.source import Source


class Options:
    """The options of a source. Raises ValueError where it has none."""

    def __init__(self, source: Source) -> None:
        if source.options is None:
            raise ValueError(
                f"{source.path} says nothing of the model's sizes; give the folder with its config.json too"
            )
        self.values, self.path = source.options, source.path

    def get(self, name: str) -> Any:
        """The value of an option. Raises ValueError where it is missing."""
        if name not in self.values:
            raise ValueError(f"the configuration of {self.path} has no {name}")
        return self.values[name]

    def number(self, name: str) -> int:
        """A positive whole number."""
        return self._number(name, self.get(name))

    def numbers(self, name: str) -> list[int]:
        """Positive whole numbers, at least one."""
        value = self.get(name)
        if not isinstance(value, list | tuple) or not value:
            raise self._wrong(name, value, "a list of numbers")
        return [self._number(name, entry) for entry in value]

    def only(self, name: str, value: Any) -> None:
        """Raise ValueError where an option that may be missing has another value than this one."""
        found = self.values.get(name, value)
        if found != value:
            raise self._wrong(name, found, repr(value))

    def refuse(self, name: str, needed: str) -> ValueError:
        """The error for a value that has no place in a codec of ours."""
        return self._wrong(name, self.values.get(name), needed)

    def mirrored(self, name: str, other: Sequence[int]) -> None:
        """Raise ValueError where an option is not another one backwards."""
        if self.numbers(name) != list(other)[::-1]:
            raise self._wrong(name, self.get(name), f"{list(other)[::-1]}, the encoder's backwards")

    def _number(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._wrong(name, value, "a positive whole number")
        return value

    def _wrong(self, name: str, found: Any, needed: str) -> ValueError:
        return ValueError(f"{name} of {self.path} is {found!r}; a signaltok codec holds only {needed}")
