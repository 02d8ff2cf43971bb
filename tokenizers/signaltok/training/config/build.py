"""The one place where hydra.utils.instantiate is called."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate


def build(node: dict[str, Any], **supplied: Any) -> Any:
    """The object that a checked node describes, with plain lists and dicts inside.

    Raises the ValueError of a constructor as it is: it names the argument and what to do.
    """
    try:
        return instantiate(node, _convert_="all", **supplied)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ValueError | OSError):
            raise cause from None
        raise


def build_each(nodes: dict[str, Any] | None) -> dict[str, Any]:
    """Every node of a group that holds one part a key; keys set to null are left out."""
    return {name: build(node) for name, node in (nodes or {}).items() if node is not None}
