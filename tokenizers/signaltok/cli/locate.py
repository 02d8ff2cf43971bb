"""Telling runs, exported tokenizers and token stores apart, and finding the tokenizer a path stands for."""

from pathlib import Path

import torch

from signaltok.artifact.layout import CONFIG
from signaltok.artifact.read import load
from signaltok.tokenizer import Tokenizer

EXPORTED = "tokenizer"  # where `signaltok export RUN` puts it inside a run


def tokenizer_folder(path: Path) -> Path:
    """The exported tokenizer at path, or the one inside the run at path. Raises ValueError where there is neither."""
    if not path.exists():
        raise ValueError(f"there is no {path}; give an exported tokenizer or a run that has been exported")
    if (path / CONFIG).is_file():
        return path
    if (path / EXPORTED / CONFIG).is_file():
        return path / EXPORTED
    if is_run(path):
        raise ValueError(f"the run {path} has not been exported; first: signaltok export {path}")
    raise ValueError(f"{path} is neither an exported tokenizer (no {CONFIG}) nor a run")


def is_run(path: Path) -> bool:
    """Whether path is the folder of a training run."""
    return (path / "checkpoints").is_dir() or (path / "provenance.json").is_file()


def open_tokenizer(folder: Path, device: str) -> Tokenizer:
    """The tokenizer of an exported folder. Raises ValueError where it is damaged, or the device is not there."""
    place = _device(device)
    tokenizer = load(folder)
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError(f"{folder / CONFIG} describes a {type(tokenizer).__name__}, not a tokenizer")
    return tokenizer.to(place)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"{name!r} is no device; give cpu, cuda, cuda:1 or mps") from None
    there = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise ValueError(f"this machine has no device {name}; give --device cpu")
    return device
