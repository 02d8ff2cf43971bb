"""Parts as plain data and back: {"class": dotted name, "arguments": {...}}, nested, nothing but JSON types."""

import importlib
import inspect
from typing import Any

from signaltok.artifact.layout import SINCE
from signaltok.parts import Part

PACKAGE = "signaltok"


def describe(value: Any) -> Any:
    """Plain data from which build makes the same part; numbers, strings, None, lists and dicts stay as they are."""
    if isinstance(value, Part):
        arguments = {name: describe(argument) for name, argument in value.arguments.items()}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", "arguments": arguments}
    if isinstance(value, dict):
        return {str(key): describe(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [describe(entry) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"cannot describe {value!r} of type {type(value).__name__}; give parts plain numbers and strings")


def part_class(name: str) -> type[Part]:
    """The concrete part of this package with this dotted name. Raises ValueError for anything else.

    The list of what may be built is derived: concrete subclasses of the contract, defined inside this package.
    """
    module_name, _, class_name = name.rpartition(".")
    if not module_name.startswith(f"{PACKAGE}."):
        raise ValueError(f"{name!r} is not a part of {PACKAGE}; only its own parts are ever built from a file")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ModuleNotFoundError as error:
        raise ValueError(f"this version of {PACKAGE} has no part {name!r} (no module {error.name!r})") from None
    if not (inspect.isclass(found) and issubclass(found, Part) and not inspect.isabstract(found)):
        raise ValueError(f"this version of {PACKAGE} has no part {name!r}")
    if found.__module__ != module_name:
        raise ValueError(f"{name!r} is not defined there but in {found.__module__}")
    return found


def build(description: Any) -> Any:
    """The inverse of describe. Raises ValueError for unknown classes and arguments that do not fit."""
    if isinstance(description, dict):
        if set(description) == {"class", "arguments"}:
            since = SINCE.get(description["class"], {})
            arguments = {name: build(argument) for name, argument in {**since, **description["arguments"]}.items()}
            return part_class(description["class"])(**arguments)
        return {key: build(entry) for key, entry in description.items()}
    if isinstance(description, list):
        return [build(entry) for entry in description]
    return description
