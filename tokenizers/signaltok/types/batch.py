"""Batch: what every data set yields."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """A batch of signals, padded at the end of each axis where items differ in size.

    signal lies in the tokenizer's value range; lengths is the valid extent of each item on each signal axis
    (None: all full); keys name the items. The rest is there only where the data set has it.
    """

    signal: Float[Tensor, "b c *s"]
    keys: tuple[str, ...]
    lengths: Int64[Tensor, "b axes"] | None = None
    text: tuple[str, ...] | None = None
    pair: Float[Tensor, "b ..."] | None = None
    labels: Int64[Tensor, " b"] | None = None
