"""AdamW (Loshchilov and Hutter 2019) with a linear warm-up and a cosine decay, both as fractions of the run."""

import math

import torch
from torch import nn

from signaltok.parts import Part

AUTOCAST = {"bf16": torch.bfloat16, None: None}


class AdamWCosine(Part):
    """learning_rate at the top of the warm-up; final_factor of it at the end of the run.

    autocast: "bf16" computes encoder and decoder in bfloat16, null in float32; quantizer and losses are float32
    always. gradient_clip: largest norm of the gradient, null for none.
    """

    def __init__(
        self,
        *,
        learning_rate: float,
        betas: list[float],
        epsilon: float,
        weight_decay: float,
        warmup_fraction: float,
        final_factor: float,
        autocast: str | None,
        gradient_clip: float | None,
    ) -> None:
        if learning_rate <= 0 or not 0 <= warmup_fraction < 1:
            raise ValueError(
                f"learning_rate must be positive and warmup_fraction lie in [0, 1), "
                f"got {learning_rate} and {warmup_fraction}"
            )
        if autocast not in AUTOCAST:
            raise ValueError(f"optimization.autocast must be bf16 or null, got {autocast!r}")
        self.learning_rate, self.betas, self.epsilon = learning_rate, betas, epsilon
        self.weight_decay, self.warmup_fraction, self.final_factor = weight_decay, warmup_fraction, final_factor
        self.autocast, self.gradient_clip = AUTOCAST[autocast], gradient_clip

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """One optimizer over every trainable parameter."""
        return torch.optim.AdamW(
            [parameter for parameter in module.parameters() if parameter.requires_grad],
            lr=self.learning_rate,
            betas=(self.betas[0], self.betas[1]),
            eps=self.epsilon,
            weight_decay=self.weight_decay,
        )

    def factor(self, step: int, max_steps: int) -> float:
        """The learning rate of step 0, 1, ... as a share of learning_rate."""
        warmup = max(1, round(self.warmup_fraction * max_steps))
        decay = 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, max_steps))))
        return min(1.0, (step + 1) / warmup) * (self.final_factor + (1 - self.final_factor) * decay)
