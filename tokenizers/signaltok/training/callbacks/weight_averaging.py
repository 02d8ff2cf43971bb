"""Exponential moving average of the weights (Polyak and Juditsky 1992), with a short memory at the start.

After n updates the decay is min(decay, (1 + n) / (10 + n)). Buffers are not averaged: a codebook that lives in
buffers has its own moving average, and what is evaluated and exported is the live one.
"""

from typing import Any

import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


def decay_after(updates: int, decay: float) -> float:
    """The decay after so many updates."""
    return min(decay, (1 + updates) / (10 + updates))


class WarmWeightAveraging(WeightAveraging):
    """Averages after every step; validation, evaluation and export see the averaged weights."""

    def __init__(self, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"callbacks.weight_averaging.decay is {decay}; it must lie in 0..1, 1 left out")
        self.decay = decay
        super().__init__(use_buffers=False, multi_avg_fn=self._average)

    @torch.no_grad()
    def _average(self, average: Any, current: Any, updates: Tensor | int) -> None:
        torch._foreach_lerp_(average, current, 1 - decay_after(int(updates), self.decay))  # pyright: ignore[reportPrivateImportUsage]
