"""The one place where a pickle is read, and only with weights_only=True."""

import pickle
from pathlib import Path
from typing import Any

import torch


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The plain containers and tensors of a checkpoint, on the CPU.

    Raises ValueError naming path where it is missing, damaged, or holds anything but plain data.
    """
    if not path.is_file():
        raise ValueError(f"there is no checkpoint {path}; give a run folder that has trained, or another file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path} holds more than plain data and is not read: {reason}") from None
    except (RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise ValueError(f"{path} is damaged or no checkpoint: {reason}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    return content


def tokenizer_weights(content: dict[str, Any], path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """(description, averaged weights) of the tokenizer in a training checkpoint."""
    missing = [key for key in ("tokenizer_description", "state_dict") if key not in content]
    if missing:
        raise ValueError(f"{path} is not a checkpoint of a tokenizer run: it has no {' and no '.join(missing)}")
    prefix = "tokenizer."
    weights = {k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)}
    return content["tokenizer_description"], weights
