"""AdamW (Loshchilov and Hutter 2019) under a linear warm-up and half a cosine (Loshchilov and Hutter 2017).

The learning rate is a function of the share of the run that is done, so it survives a resume and another length.
"""

import math
from collections.abc import Iterable

import torch
from torch import nn

AUTOCAST = {"bf16": torch.bfloat16}


class AdamWCosine:
    """learning_rate * warm-up * cosine from 1 down to final_factor.

    warmup: share of the run over which the rate rises linearly. autocast: "bf16" runs encoder and decoder in
    bfloat16 (weights, quantizer and losses stay in float32), None everything in float32. channels_last: memory
    format of two-dimensional signals.
    """

    def __init__(
        self,
        *,
        learning_rate: float,
        betas: list[float],
        weight_decay: float,
        epsilon: float,
        warmup: float,
        final_factor: float,
        autocast: str | None,
        channels_last: bool,
    ) -> None:
        if not learning_rate > 0:
            raise ValueError(f"optimization.learning_rate is {learning_rate}; it must be above 0")
        if not 0 <= warmup < 1 or not 0 <= final_factor <= 1:
            raise ValueError(
                f"optimization.warmup is {warmup} and final_factor {final_factor}; both are shares, 0 to 1"
            )
        if autocast is not None and autocast not in AUTOCAST:
            raise ValueError(f"optimization.autocast is {autocast!r}; it is null or one of {', '.join(AUTOCAST)}")
        if len(betas) != 2:
            raise ValueError(f"optimization.betas is {betas}; AdamW has two")
        self.learning_rate = learning_rate
        self.betas = betas
        self.weight_decay = weight_decay
        self.epsilon = epsilon
        self.warmup = warmup
        self.final_factor = final_factor
        self.autocast = None if autocast is None else AUTOCAST[autocast]
        self.channels_last = channels_last

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """AdamW over the parameters."""
        return torch.optim.AdamW(
            list(parameters),
            lr=self.learning_rate,
            betas=(self.betas[0], self.betas[1]),
            eps=self.epsilon,
            weight_decay=self.weight_decay,
            fused=True,
        )

    def rate(self, step: int, max_steps: int) -> float:
        """The learning rate of step number `step`, counted from 0."""
        rising = self.warmup * max_steps
        share = min(1.0, (step + 1) / rising) if rising > 0 else 1.0
        cosine = (1 + math.cos(math.pi * step / max_steps)) / 2
        return self.learning_rate * share * (self.final_factor + (1 - self.final_factor) * cosine)
