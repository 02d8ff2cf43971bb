"""The weights a run starts from, and the folders it may be given: runs and exported tokenizers."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from signaltok.artifact.describe import build, describe
from signaltok.artifact.read import fill
from signaltok.artifact.trained import (
    CHECKPOINTS,
    CONFIG,
    checkpoint_path,
    is_exported,
    is_run,
    read_checkpointed,
    read_trained,
)
from signaltok.artifact.training_state import Moments, TrainingState, read_training_state
from signaltok.checkpoint import read_checkpoint
from signaltok.layers.inflation import from_pictures
from signaltok.objectives.objective import Objective
from signaltok.parts import Alignment, Discriminator
from signaltok.tokenizer import Tokenizer

PICTURES = "pictures."  # the part of encoders and decoders of frames that is one of pictures


def last_checkpoint(run: Path) -> Path | None:
    """Where a run goes on from; None where it was broken off before its first checkpoint. ValueError for no run."""
    if not run.is_dir():
        raise ValueError(f"there is no folder {run}; give the folder of a run, such as outputs/latest")
    if not (run / CONFIG).is_file():
        raise ValueError(f"{run} holds no run that could go on: it has no {CONFIG}")
    path = run / CHECKPOINTS / "last.ckpt"
    return path if path.is_file() else None


def read_tokenizer(path: Path, checkpoint: str) -> Tokenizer:
    """The tokenizer of a run (averaged weights of that checkpoint) or of an exported folder, in eval mode."""
    return _tokenizer(read_trained(path, checkpoint), path)


def from_checkpoint(path: Path) -> Tokenizer:
    """The tokenizer with the averaged weights of a checkpoint, in eval mode."""
    return _tokenizer(read_checkpointed(path), path)


def _tokenizer(found: nn.Module, path: Path) -> Tokenizer:
    if not isinstance(found, Tokenizer):
        raise ValueError(f"{path} holds a {type(found).__name__}, not a tokenizer")
    return found


def describe_alignment(objective: Objective) -> dict[str, Any] | None:
    """Name and description of the term that an evaluation looks through for texts; None without one."""
    for name, term in objective.terms.items():
        if term is objective.alignment:
            return {"name": name, "term": describe(term)}
    return None


def read_alignment(path: Path, checkpoint: str) -> Alignment | None:
    """The alignment of a run, averaged weights, in eval mode; None of a run without one and of exported folders."""
    return alignment_of(checkpoint_path(path, checkpoint)) if is_run(path) else None


def alignment_of(path: Path) -> Alignment | None:
    """The alignment in a checkpoint, with its averaged weights, in eval mode; None where there is none."""
    content = read_checkpoint(path)
    description = content.get("alignment_description")
    if description is None:
        return None
    alignment = build(description["term"])
    if not isinstance(alignment, Alignment):
        raise ValueError(f"{path} does not describe an alignment")
    prefix = f"objective.terms.{description['name']}."
    weights = {k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)}
    fill(alignment, weights, path)
    return alignment.eval()


def take_weights(tokenizer: Tokenizer, path: Path, checkpoint: str) -> None:
    """Fill a new tokenizer with the weights of another; the two must have the same tensors.

    Where the other is one of pictures, or of frames as pictures, and the new one has layers along time, those begin by
    doing nothing (layers.inflation) and all the rest must have a likeness.
    """
    source = read_tokenizer(path, checkpoint)
    weights = source.state_dict()
    if tokenizer.encoder.axes == 3 and (source.encoder.axes == 2 or any(PICTURES in name for name in weights)):
        weights = _for_videos(tokenizer, source)
    fill(tokenizer, weights, path)


def _for_videos(tokenizer: Tokenizer, source: Tokenizer) -> dict[str, Tensor]:
    """The weights of a tokenizer of pictures by the names and in the shapes of one of videos."""
    weights = {f"quantizer.{name}": value for name, value in source.quantizer.state_dict().items()}
    for room, own, other in (
        ("encoder", tokenizer.encoder, source.encoder),
        ("decoder", tokenizer.decoder, source.decoder),
    ):
        pictures = {name.removeprefix(PICTURES): value for name, value in other.state_dict().items()}
        if any(name.startswith(PICTURES) for name in own.state_dict()):
            found = {f"{PICTURES}{name}": value for name, value in pictures.items()}
        else:
            found = from_pictures(own, own.stride, pictures)
        weights |= {f"{room}.{name}": value for name, value in found.items()}
    return weights


def training_state(path: Path) -> TrainingState | None:
    """Discriminator and optimizers of an exported folder that was written with them."""
    return read_training_state(path) if is_exported(path) else None


def take_discriminator(discriminator: Discriminator, state: TrainingState, path: Path) -> None:
    """Fill a new discriminator with the weights of an exported one.

    Raises ValueError where that is another one. A folder of a run without an adversary has none; then nothing is done.
    """
    if state.discriminator is None:
        return
    if describe(discriminator) != state.discriminator:
        raise ValueError(
            f"{path} was exported with another discriminator than adversary.discriminator; give that one "
            f"({state.discriminator['class']}, its arguments are in training_state.json), or export the tokenizer "
            "without --with-training-state"
        )
    fill(discriminator, state.weights, path)


def take_moments(optimizer: torch.optim.Optimizer, moments: Moments) -> None:
    """Have an optimizer go on from another's moments, at its own rates. moments: of its first parameters.

    Raises ValueError where a parameter has another shape.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, values in moments.items():
        shape = values["exp_avg"].shape
        if number >= len(parameters) or parameters[number].shape != shape:
            raise ValueError(
                f"the exported optimizer has moments of shape {tuple(shape)} for parameter {number}, this run's "
                "parameters are others; export the tokenizer without --with-training-state"
            )
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
