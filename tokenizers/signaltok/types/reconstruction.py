"""Reconstruction: what Tokenizer.forward returns."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from signaltok.types.quantized import Quantized


@dataclass(frozen=True)
class Reconstruction:
    """The decoded signal (same shape as the input), what lay between, and the mask of valid latent positions.

    likelihood: in training, of a decoder that gives a distribution of each value, its parameters on the channel axis.
    """

    signal: Float[Tensor, "b c *s"]
    quantized: Quantized
    latent: Float[Tensor, "b d *l"]
    mask: Bool[Tensor, "b 1 *l"] | None = None
    likelihood: Float[Tensor, "b k *s"] | None = None
