"""Every key of every node is held against the signature of its target, before anything is built."""

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

SPECIAL = {"_target_", "_partial_", "_args_", "_convert_", "_recursive_"}
COLLECTIONS = ("callbacks", "logger", "metrics")


def check_config(config: DictConfig) -> None:
    """Raise ValueError naming every wrong key, its target and the nearest right one."""
    problems = [*_collections(config), *_nodes(config, "")]
    if problems:
        raise ValueError("the config does not fit:\n  " + "\n  ".join(problems))


def _collections(config: DictConfig) -> Iterator[str]:
    """Entries of callbacks, logger, metrics and objective.terms are null or have a target; none is skipped in silence."""
    for name in (*COLLECTIONS, "objective.terms"):
        entries = OmegaConf.select(config, name)
        for key, node in (entries or {}).items():
            if node is not None and not (isinstance(node, DictConfig) and "_target_" in node):
                close = difflib.get_close_matches(str(key), [str(k) for k in entries if k != key], n=1)
                hint = f"; did you mean {name}.{close[0]}?" if close else ""
                yield f"{name}.{key} has no _target_ and would do nothing{hint}"


def _nodes(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, ListConfig):
        for number in range(len(node)):
            yield from _nodes(node[number], f"{path}[{number}]")
    elif isinstance(node, DictConfig):
        if "_target_" in node:
            yield from _against_signature(node, path)
        for key in node:
            if OmegaConf.is_missing(node, key):
                yield f"{_join(path, key)} must be given"
            elif not OmegaConf.is_interpolation(node, key):  # what it points at is checked where it stands
                yield from _nodes(node[key], _join(path, key))


def _against_signature(node: DictConfig, path: str) -> Iterator[str]:
    target = str(node["_target_"])
    try:
        parameters = inspect.signature(get_object(target)).parameters
    except (ImportError, AttributeError, ValueError) as error:
        yield f"{path}._target_: there is no {target} ({str(error).splitlines()[0]})"
        return
    # A key that only **kwargs would take is refused too: there a misspelling passes.
    named = {name for name, parameter in parameters.items() if parameter.kind != inspect.Parameter.VAR_KEYWORD}
    for key in node:
        if key not in named | SPECIAL:
            close = difflib.get_close_matches(str(key), sorted(named), n=1)
            hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(sorted(named))}"
            yield f"{_join(path, key)} is no parameter of {target}; {hint}"


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
