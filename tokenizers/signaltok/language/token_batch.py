"""TokenBatch: what a language model is trained on and evaluated with."""

from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor


@dataclass(frozen=True)
class TokenBatch:
    """ids of windows of a stream. segments: the kind of segment that each id stands in, as in Grammar.segments: 0 for
    begin and end of a document, 1 for text, 2 + i for a block of stream i, -1 for padding behind the last window.
    """

    ids: Int64[Tensor, "b n"]
    segments: Int64[Tensor, "b n"]
