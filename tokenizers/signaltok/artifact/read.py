"""Reading the exported folder: JSON and safetensors only, parts of this package only."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from signaltok.artifact import layout
from signaltok.artifact.describe import build
from signaltok.layers.weight_norm import fitted


def read_config(folder: Path) -> dict[str, Any]:
    """config.json, checked. Raises ValueError naming the folder or file and what is wrong with it."""
    path = folder / layout.CONFIG
    if not path.is_file():
        raise ValueError(f"{folder} is not an exported tokenizer: it has no {layout.CONFIG}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}); export the tokenizer again") from None
    if not isinstance(config, dict) or "format_version" not in config:
        raise ValueError(f"{path} is not the config of an exported tokenizer: it has no format_version")
    if config["format_version"] != layout.FORMAT_VERSION:
        raise ValueError(
            f"{folder} has format version {config['format_version']}, this signaltok reads "
            f"{layout.FORMAT_VERSION}; install a version that knows it (docs/formats.md)"
        )
    missing = [key for key in ("tokenizer", "files", "fingerprint", "codebook_sizes", "strides") if key not in config]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; export the tokenizer again")
    return config


def read_tensors(folder: Path, name: str, config: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a safetensors file of the folder, its hash held against config.json."""
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{folder} is incomplete: it has no {name}; export the tokenizer again")
    if layout.file_hash(path) != config["files"].get(name):
        raise ValueError(
            f"{path} is damaged: its SHA-256 is not the one in {layout.CONFIG}; export the tokenizer again"
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read: {error}; export the tokenizer again") from None


def fill(module: nn.Module, weights: dict[str, Tensor], source: Path) -> None:
    """Load weights into a module, strictly but for what only training reads, which may be missing and stays as it is.

    Weight norm is folded or split as the module has it (layers.weight_norm).
    Raises ValueError naming the first tensors that do not fit.
    """
    own = module.state_dict()
    weights = fitted(weights, set(own))
    missing = [name for name in sorted(own.keys() - weights.keys()) if not name.endswith(layout.TRAINING_ONLY)]
    surplus = sorted(weights.keys() - own.keys())
    shapes = [
        f"{name} has shape {tuple(weights[name].shape)}, expected {tuple(own[name].shape)}"
        for name in sorted(own.keys() & weights.keys())
        if weights[name].shape != own[name].shape
    ]
    problems = [f"no {name}" for name in missing] + [f"an unknown {name}" for name in surplus] + shapes
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ValueError(f"{source} does not fit the tokenizer it describes: {'; '.join(problems[:3])}{more}")
    module.load_state_dict({**own, **weights})


def load(folder: str | Path):
    """The tokenizer of an exported folder, in eval mode on the CPU.

    Raises ValueError in one line where the folder is missing, damaged, incomplete or foreign. Nothing in the folder
    is ever run: it holds JSON and safetensors, and only parts of this package are built.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; give the folder that `signaltok export` wrote")
    config = read_config(folder)
    weights = read_tensors(folder, layout.MODEL, config)
    tokenizer = build(config["tokenizer"])
    if not isinstance(tokenizer, nn.Module):
        raise ValueError(f"{folder / layout.CONFIG} does not describe a tokenizer")
    fill(tokenizer, weights, folder / layout.MODEL)
    if layout.fingerprint(config["tokenizer"], weights) != config["fingerprint"]:
        raise ValueError(f"{folder} was changed after its export: the fingerprint does not hold; export it again")
    return tokenizer.eval()
