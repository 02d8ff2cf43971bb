"""The check of a composed config, before anything is built.

Every key of a node with `_target_` must be an argument of its target, also where the target takes **kwargs, and
every required argument must be there. In the groups that hold one part a key, a node without target is an error.
"""

import difflib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from hydra.utils import get_object

ALLOWED = ("signaltok.", "torch.", "torchvision.", "torchmetrics.", "pytorch_lightning.")
SPECIAL = frozenset({"_target_", "_partial_", "_convert_", "_recursive_"})
PARTS = (
    "encoder", "quantizer", "decoder", "objective", "adversary", "balance", "optimization", "data", "trainer",
    "tokenizer", "language_model",
)  # fmt: skip
# Of a run that trains a tokenizer alone, and of none that trains a language model.
OF_TOKENIZERS = ("encoder", "quantizer", "decoder", "objective", "adversary", "balance", "tokenizer")
COLLECTIONS = ("callbacks", "logger", "metrics")
# Given by the run itself, not by a config.
SUPPLIED = {
    "tokenizer": frozenset({"encoder", "quantizer", "decoder"}),
    "language_model": frozenset({"vocabulary_size"}),
    "trainer": frozenset({"callbacks", "logger", "plugins", "enable_checkpointing", "enable_progress_bar"}),
}


def check(config: dict[str, Any], schema: type) -> None:
    """Raise ValueError listing every key that nothing reads, each with the nearest valid name.

    schema: the dataclass of the root. Hydra holds files and plain overrides against it, but not overrides with a +.
    """
    check_kind(config)
    problems = [*_against_schema(config, schema, ""), *_problems(config)]
    if problems:
        raise ValueError("\n".join(problems))


def _against_schema(node: dict[str, Any], schema: type, path: str) -> Iterator[str]:
    known = {field.name: field.type for field in fields(schema)}
    for key, value in node.items():
        kind = known.get(key)
        if kind is None:
            yield f"{path}{key} is not a key of {path.rstrip('.') or 'the config'}{_hint(key, list(known))}"
        else:
            for own in (kind, *get_args(kind)):  # of an optional node, what it is where it is there
                if isinstance(own, type) and is_dataclass(own) and value is not None:
                    yield from _against_schema(value, own, f"{path}{key}.")


def check_kind(config: Mapping[str, Any]) -> None:
    """Raise ValueError where a run of a language model has parts of a tokenizer; also of a config not yet resolved."""
    if config.get("language_model") is not None:
        for group in OF_TOKENIZERS:
            if config.get(group):
                raise ValueError(f"{group} is of a tokenizer, and this run trains a language model: leave out {group}")


def _problems(config: dict[str, Any]) -> Iterator[str]:
    of_language_model = config.get("language_model") is not None
    for group in PARTS:
        node = config.get(group)
        if node is None or (of_language_model and group in OF_TOKENIZERS):
            continue
        if "_target_" not in node:
            yield f"{group} has no _target_: choose one with {group}=NAME (files in configs/{group}/)"
            continue
        yield from _walk(node, group)
    for group in COLLECTIONS:
        yield from _collection(config.get(group), group)
        yield from _walk(config.get(group), group)
    yield from _collection((config.get("objective") or {}).get("terms"), "objective.terms")


def _collection(nodes: Any, path: str) -> Iterator[str]:
    for name, node in (nodes or {}).items():
        if node is not None and not (isinstance(node, dict) and "_target_" in node):
            known = [other for other in nodes if other != name]
            yield f"{path}.{name} has no _target_, so it would do nothing{_hint(name, known)}"


def _walk(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, list):
        for number, entry in enumerate(node):
            yield from _walk(entry, f"{path}[{number}]")
        return
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        yield from _against_signature(node, path)
    for key, value in node.items():
        yield from _walk(value, f"{path}.{key}")


def _against_signature(node: dict[str, Any], path: str) -> Iterator[str]:
    target = node["_target_"]
    if not isinstance(target, str) or not target.startswith(ALLOWED):
        yield f"{path}._target_ is {target!r}; targets lie in {', '.join(name + '*' for name in ALLOWED)}"
        return
    try:
        found = get_object(target)
    except (ImportError, AttributeError, ValueError) as error:
        yield f"{path}._target_: there is no {target} ({str(error).strip().splitlines()[0]})"
        return
    names, required = arguments(found)
    supplied = SUPPLIED.get(path, frozenset())
    for key in node:
        if key in supplied:
            yield f"{path}.{key} is given by the run and not by a config; remove it"
        elif key not in SPECIAL and key not in names:
            yield f"{path}.{key} is not an argument of {target}{_hint(key, names)}"
    missing = sorted(required - node.keys() - supplied)
    if missing and not node.get("_partial_"):
        yield f"{path} lacks {', '.join(missing)}, which {target} needs"


def arguments(target: Any) -> tuple[list[str], frozenset[str]]:
    """(names of all named arguments, names of those without default) of a class or function."""
    function = target.__init__ if inspect.isclass(target) else target
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD) and parameter.name != "self"
    ]
    required = frozenset(parameter.name for parameter in parameters if parameter.default is parameter.empty)
    return [parameter.name for parameter in parameters], required


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; it has {', '.join(sorted(known))}" if known else ""
