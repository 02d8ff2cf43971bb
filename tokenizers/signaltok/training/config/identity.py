"""What two runs must share to be the same run: a hash of the config without places and looks."""

import hashlib
import json
from typing import Any

from signaltok.training.config.resolve import moved

# Neither weights nor figures depend on these.
LEFT_OUT = frozenset({"paths", "logger", "print_config", "tags", "task_name", "metric_for_sweep"})
LEFT_OUT_OF = {
    "run": frozenset({"resume", "report"}),
    "callbacks": frozenset({"progress_bar", "show_evaluation", "interruption", "collapse"}),
    "trainer": frozenset({"max_time", "profiler", "enable_model_summary", "default_root_dir"}),
}


def config_hash(settings: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits; equal for runs that differ only in where they lie and what they show."""
    return hashlib.sha256(json.dumps(_essence(settings), sort_keys=True).encode()).hexdigest()[:16]


def _essence(settings: dict[str, Any]) -> dict[str, Any]:
    paths = settings["paths"]
    here = moved(moved(settings, paths["output_dir"], "<run>"), paths["root_dir"], "<project>")
    kept: dict[str, Any] = {}
    for name, node in here.items():
        if name in LEFT_OUT:
            continue
        left_out = LEFT_OUT_OF.get(name, frozenset())
        kept[name] = {k: v for k, v in node.items() if k not in left_out} if isinstance(node, dict) else node
    return kept
