"""What was trained, by the path of a run or of an exported folder: the module with its weights, in eval mode."""

from pathlib import Path

from torch import nn

from signaltok.artifact.describe import build
from signaltok.artifact.layout import CONFIG as EXPORTED_CONFIG
from signaltok.artifact.read import fill, load
from signaltok.checkpoint import read_checkpoint, tokenizer_weights

CONFIG = "config.yaml"  # of a run
CHECKPOINTS = "checkpoints"  # likewise


def is_exported(path: Path) -> bool:
    """Whether an exported tokenizer lies at path."""
    return (path / EXPORTED_CONFIG).is_file()


def is_run(path: Path) -> bool:
    """Whether a training run lies at path."""
    return (path / CONFIG).is_file() and (path / CHECKPOINTS).is_dir()


def checkpoint_path(run: Path, name: str) -> Path:
    """<run>/checkpoints/<name>.ckpt. Raises ValueError naming what is there instead."""
    if not run.is_dir():
        raise ValueError(f"there is no folder {run}; give the folder of a run, such as outputs/latest")
    path = run / CHECKPOINTS / f"{name}.ckpt"
    if not path.is_file():
        there = sorted(file.name for file in (run / CHECKPOINTS).glob("*.ckpt"))
        raise ValueError(f"{run} has no {CHECKPOINTS}/{name}.ckpt; it has {', '.join(there) or 'no checkpoint'}")
    return path


def read_trained(path: Path, checkpoint: str) -> nn.Module:
    """The tokenizer of a run (averaged weights of that checkpoint) or of an exported folder, in eval mode.

    Raises ValueError where path is neither, or damaged.
    """
    if is_exported(path):
        return load(path)
    if is_run(path):
        return read_checkpointed(checkpoint_path(path, checkpoint))
    if path.exists():
        raise ValueError(f"{path} is neither a run (no {CONFIG} with {CHECKPOINTS}/) nor an exported tokenizer")
    raise ValueError(f"there is no {path}; give a run, such as outputs/latest, or an exported tokenizer")


def read_checkpointed(path: Path) -> nn.Module:
    """The tokenizer with the averaged weights of a checkpoint, in eval mode."""
    description, weights = tokenizer_weights(read_checkpoint(path), path)
    tokenizer = build(description)
    if not isinstance(tokenizer, nn.Module):
        raise ValueError(f"{path} does not describe a tokenizer")
    fill(tokenizer, weights, path)
    return tokenizer.eval()
