"""Weight norm (Salimans and Kingma 2016, equation 2): a weight as its direction v and its length g a first index.

A layer keeps v as `weight` and g as `weight_gain`. What an exported tokenizer holds is the product alone, which is the
same number to the bit: both are computed by `normalised`.
"""

import torch
from torch import Tensor

GAIN = "weight_gain"


def normalised(weight: Tensor, gain: Tensor) -> Tensor:
    """g v / |v|, the norm over all but the first axis."""
    return weight * (gain / length(weight))


def length(weight: Tensor) -> Tensor:
    """|v| with the other axes kept as ones."""
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)


def folded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a module with every pair of direction and length replaced by their product."""
    gains = {name.removesuffix(GAIN) + "weight": value for name, value in weights.items() if _is_gain(name)}
    return {
        name: normalised(value, gains[name]) if name in gains else value
        for name, value in weights.items()
        if not _is_gain(name)
    }


def fitted(weights: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """The tensors for a module that wants these names: folded where it has no weight norm, with lengths where it has.

    A plain weight is its own direction, and its lengths give it back up to rounding.
    """
    if not any(_is_gain(name) for name in wanted):
        return folded(weights)
    missing = [name for name in wanted - weights.keys() if _is_gain(name)]
    plain = {name: name.removesuffix(GAIN) + "weight" for name in missing}
    return {**weights, **{name: length(weights[own]) for name, own in plain.items() if own in weights}}


def folded_description(description: object) -> object:
    """The description of a part (artifact.describe) without weight norm, to go with folded tensors."""
    if isinstance(description, dict):
        plain = {name: folded_description(value) for name, value in description.items()}
        return {**plain, "norm": None} if plain.get("norm") == "weight" else plain
    if isinstance(description, list):
        return [folded_description(value) for value in description]
    return description


def _is_gain(name: str) -> bool:
    return name == GAIN or name.endswith(f".{GAIN}")
