"""What a stored config says of a run: its setting, which runs of several seeds share, and its protocol."""

import json
from collections.abc import Iterator
from typing import Any

from signaltok.reports.figures import SPLITS

# Where things lie, what a run is called, where it is written down and what watches it: none of it changes a figure.
PLACES = (
    "paths",
    "task_name",
    "tags",
    "print_config",
    "logger",
    "metric_for_sweep",
    "run.resume",
    "run.report",
    "trainer.max_time",
    "trainer.profiler",
    "trainer.default_root_dir",
    "callbacks.progress_bar",
    "callbacks.interruption",
    "callbacks.collapse",
    "callbacks.show_evaluation",
)
ROOT = "data.root"  # says where the data lie, and before they are read it is all that is known of them
SEED = "seed"
# The keys of the data node that shape training alone, or how fast data come; every other one shapes the evaluation.
TRAINING_DATA = ("root", "augmentation", "batch_size", "eval_batch_size", "num_workers", "cache_megabytes", "download")


def setting(config: dict[str, Any]) -> dict[str, Any]:
    """Dotted key -> value (plain, or a list) of all but seed and places; paths within values are cut off.

    A key that is null is left out: it means what it means not to be there.
    """
    known = identity(config)
    return {key: value for key, value in known.items() if key not in (SEED, ROOT) and value is not None}


def identity(config: dict[str, Any]) -> dict[str, Any]:
    """The setting with its seed and the place of its data: two runs with one identity are the same run twice."""
    paths = config.get("paths") or {}
    roots = {
        str(paths[name]): f"<{name}>" for name in ("output_dir", "log_dir", "data_dir", "root_dir") if name in paths
    }
    flat = flatten(config)
    return {key: _without_roots(value, roots) for key, value in flat.items() if not _is_place(key)}


def protocol(config: dict[str, Any], summary: dict[str, float]) -> dict[str, Any]:
    """What decides what the figures of a summary mean, by dotted key: only runs that agree in it can be ranked.

    That is: the metrics, the keys of the data node that shape the evaluation, how much of a split is evaluated, the
    range of the values, and which of the metrics the summary has on which split. The figures about codes are left out
    of the last, as tokenizers with other levels, or without codes, have others. What is not set is not there.
    """
    metrics = {name: node for name, node in (config.get("metrics") or {}).items() if node is not None}
    data = {name: node for name, node in (config.get("data") or {}).items() if name not in TRAINING_DATA}
    limit = (config.get("run") or {}).get("limit_eval_batches")
    found: dict[str, Any] = {
        **flatten({"metrics": metrics, "data": data}),
        "run.limit_eval_batches": limit,
        "data.eval_batch_size": None if limit is None else (config.get("data") or {}).get("eval_batch_size"),
        "tokenizer.value_range": (config.get("tokenizer") or {}).get("value_range"),
    }
    for split in SPLITS:
        found[f"{split} figures"] = [name for name in metrics if f"{split}/{name}" in summary]
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def flatten(node: dict[str, Any]) -> dict[str, Any]:
    """Dotted key -> value; lists are values, and so is an empty dict."""
    return dict(_flat(node, ""))


def canonical(value: Any) -> str:
    """Equal for values that mean the same to a config: 1 and 1.0, but not 1 and true."""
    return json.dumps(_numbers(value), sort_keys=True, default=str)


def text_of(key: str, value: Any) -> str:
    """A value as a cell shows it: classes by their bare name, lists without brackets."""
    if key.rpartition(".")[2] == "_target_" and isinstance(value, str):
        return value.rpartition(".")[2]
    if isinstance(value, list):
        return ", ".join(text_of("", entry) for entry in value) or "[]"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _flat(node: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _is_place(key: str) -> bool:
    return any(key == place or key.startswith(f"{place}.") for place in PLACES)


def _without_roots(value: Any, roots: dict[str, str]) -> Any:
    """The value with the root that it lies under named instead of spelt; roots are tried in their order."""
    if isinstance(value, list):
        return [_without_roots(entry, roots) for entry in value]
    if isinstance(value, dict):
        return {key: _without_roots(entry, roots) for key, entry in value.items()}
    if isinstance(value, str):
        for root, name in roots.items():
            if value == root or value.startswith(f"{root}/"):
                return name + value[len(root) :]
    return value


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _numbers(entry) for key, entry in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
