"""The one place where a config becomes an object."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig


def build(node: DictConfig, **arguments: Any) -> Any:
    """The object a node with _target_ describes, given plain lists and dicts; arguments join the node's own.

    A ValueError of the object itself is raised as it is, without Hydra's wrapping.
    """
    try:
        return instantiate(node, _convert_="all", **arguments)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ValueError | OSError):
            raise cause from None
        raise


def build_all(nodes: DictConfig | None, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """The objects of a group whose entries are nodes or null, by name."""
    return {
        str(name): build(node) for name, node in (nodes or {}).items() if node is not None and str(name) not in skip
    }
