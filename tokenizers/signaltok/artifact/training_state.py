"""What an exported folder may hold for whoever trains the tokenizer on: discriminator and optimizers.

Two files beside the others, JSON and safetensors (docs/formats.md). `signaltok.load` reads neither.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from signaltok.artifact.layout import file_hash
from signaltok.files import atomic_file

ABOUT = "training_state.json"
TENSORS = "training_state.safetensors"
FORMAT_VERSION = 1
OWNERS = ("tokenizer", "discriminator")  # whose optimizer, in the order of a checkpoint

Moments = dict[int, dict[str, Tensor]]  # of each parameter, in the order of its owner's


@dataclass(frozen=True)
class TrainingState:
    """discriminator: its description, None without one. weights: its state. moments: of the optimizers, by owner."""

    discriminator: Any
    weights: dict[str, Tensor]
    moments: dict[str, Moments]


def state_of_checkpoint(content: dict[str, Any], tokenizer: nn.Module, path: Path) -> TrainingState:
    """What a checkpoint of a run holds; the discriminator as it was trained last, not averaged.

    Raises ValueError where it was written by an older version, or by processes that shard their parameters.
    """
    missing = [key for key in ("discriminator_description", "optimizer_states") if key not in content]
    if missing:
        raise ValueError(
            f"{path} has no {' and no '.join(missing)}, so it is no training state; go on with the run by this "
            "version, or leave out --with-training-state"
        )
    prefix = "adversary.discriminator."
    state = content.get("current_model_state", content["state_dict"])
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    moments: dict[str, Moments] = dict(
        zip(OWNERS, (states["state"] for states in content["optimizer_states"]), strict=False)
    )
    if not all(isinstance(number, int) for of_one in moments.values() for number in of_one):
        raise ValueError(f"{path} was written by sharded processes (trainer=fsdp), whose optimizers are not exported")
    # After the tokenizer's come parameters of the objective, which is not exported.
    count = sum(parameter.requires_grad for parameter in tokenizer.parameters())
    moments["tokenizer"] = {number: value for number, value in moments["tokenizer"].items() if number < count}
    return TrainingState(content["discriminator_description"], weights, moments)


def write_training_state(state: TrainingState, out: Path) -> None:
    """Write both files into an exported folder, the JSON last."""
    tensors = {f"discriminator.{name}": value for name, value in state.weights.items()}
    for owner, moments in state.moments.items():
        for number, values in moments.items():
            tensors |= {f"optimizer.{owner}.{number}.{name}": value for name, value in values.items()}
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with atomic_file(out / TENSORS) as temporary:
        temporary.write_bytes(save(plain))
    about = {
        "format_version": FORMAT_VERSION,
        "discriminator": state.discriminator,
        "files": {TENSORS: file_hash(out / TENSORS)},
    }
    with atomic_file(out / ABOUT) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")


def read_training_state(folder: Path) -> TrainingState | None:
    """What write_training_state wrote, None where it wrote nothing. Raises ValueError where it is damaged."""
    path, about_path = folder / TENSORS, folder / ABOUT
    if not about_path.is_file():
        return None
    try:
        about = json.loads(about_path.read_text(encoding="utf-8"))
        version, expected, discriminator = about["format_version"], about["files"][TENSORS], about["discriminator"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{about_path} is damaged ({error!r}); export the tokenizer again") from None
    if version != FORMAT_VERSION:
        raise ValueError(f"{about_path} has format version {version}, this signaltok reads {FORMAT_VERSION}")
    if not path.is_file() or file_hash(path) != expected:
        raise ValueError(f"{path} is missing or damaged: its SHA-256 is not the one in {ABOUT}; export it again")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read: {error}; export the tokenizer again") from None
    weights: dict[str, Tensor] = {}
    moments: dict[str, Moments] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "discriminator":
            weights[rest] = value
        else:
            owner, number, key = rest.split(".", 2)
            moments.setdefault(owner, {}).setdefault(int(number), {})[key] = value
    return TrainingState(discriminator, weights, moments)
