"""What a language model has made: a picture or a sound that codes of a sample decode to."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Made:
    """values: a picture uint8 [c, h, w] or, with a sample_rate, a sound float32 [c, n]. text: what stood before it."""

    stream: str
    values: np.ndarray
    sample_rate: int | None
    text: str | None
