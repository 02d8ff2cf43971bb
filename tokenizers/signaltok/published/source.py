"""The weights of a public model as they lie on disk: tensors by name, and the options the model was built with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from signaltok.checkpoint import read_checkpoint
from signaltok.files import read_json

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Source:
    """path: the file of the tensors, for messages. tensors: floating ones in float32. options: None where a file of
    weights stands alone.
    """

    path: Path
    tensors: dict[str, Tensor]
    options: dict[str, Any] | None

    def has(self, *starts: str) -> bool:
        """Whether there are tensors whose names begin so, for each of them."""
        return all(any(name.startswith(start) for name in self.tensors) for start in starts)

    def size(self, name: str, axis: int) -> int:
        """Of a tensor along an axis. Raises ValueError where there is no such tensor."""
        if name not in self.tensors or self.tensors[name].ndim <= axis:
            raise ValueError(f"{self.path} has no {name} to tell the sizes of the model by")
        return self.tensors[name].shape[axis]


def read_source(path: Path) -> Source:
    """What lies at path: a folder of CONFIG and WEIGHTS, or a file of weights.

    A file of a package's own release may hold options beside the tensors ({"state_dict", "metadata": {"kwargs"}}), and
    a file named as one of WEIGHTS has CONFIG beside it. Raises ValueError for anything else; no code is ever run.
    """
    if path.is_dir():
        file = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
        if file is None or not (path / CONFIG).is_file():
            raise ValueError(
                f"{path} is no folder of a public model: it needs {CONFIG} and one of {', '.join(WEIGHTS)}"
            )
        return Source(file, _plain(_tensors(file), file), _options(path / CONFIG))
    if not path.is_file():
        raise ValueError(f"there is no {path}; give a file of weights, or the folder that save_pretrained wrote")
    content = _tensors(path)
    if isinstance(content.get("state_dict"), dict):
        metadata = content.get("metadata")
        options = metadata.get("kwargs") if isinstance(metadata, dict) else None
        return Source(path, _plain(content["state_dict"], path), options if isinstance(options, dict) else None)
    options = _options(path.parent / CONFIG) if path.name in WEIGHTS else None
    return Source(path, _plain(content, path), options)


def _tensors(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return read_checkpoint(path)
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def _plain(content: dict[str, Any], path: Path) -> dict[str, Tensor]:
    other = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if other or not content:
        found = f"{other[0]!r} is a {type(content[other[0]]).__name__}" if other else "it is empty"
        raise ValueError(f"{path} holds no tensors by name, as the weights of a public model do: {found}")
    return {name: value.to(torch.float32) if value.is_floating_point() else value for name, value in content.items()}


def _options(path: Path) -> dict[str, Any] | None:
    options = read_json(path)
    if options is not None and "format_version" in options:
        raise ValueError(f"{path.parent} is an exported tokenizer already; signaltok.load opens it")
    return options
