"""Averaged weights: what validation, evaluation and export use."""

import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class AveragedWeights(WeightAveraging):
    """An exponential moving average whose decay grows as (1 + n) / (10 + n) up to `decay`.

    The growth lets a short run forget its first steps. Buffers (codebooks among them) are taken as they are.
    """

    def __init__(self, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")

        def average(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
            n = float(count)
            weight = 1 - min(decay, (1 + n) / (10 + n))
            torch._foreach_lerp_(averaged, current, weight)

        super().__init__(device=None, use_buffers=False, multi_avg_fn=torch.no_grad()(average))
