"""Batch normalization (Ioffe and Szegedy 2015) over the valid positions of the whole group's batch.

In training the means and variances are those of all valid positions of all processes, so several processes compute
what one computes; evaluation uses running averages of both, so that codes do not depend on batch mates.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from signaltok.exactness import full_precision
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import SignalLayer
from signaltok.processes import total_over_group


class BatchNorm(SignalLayer):
    """(x - mean) / sqrt(variance + epsilon), channel by channel, then scale and shift where `affine`.

    momentum: what of a step's mean and variance goes into the running ones, which begin at the first step's.
    """

    mean: Tensor
    variance: Tensor
    steps: Tensor

    def __init__(self, *, width: int, momentum: float, epsilon: float, affine: bool) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum is {momentum}; it is the share of a step in the running averages, 0 to 1")
        self.momentum, self.epsilon = momentum, epsilon
        self.weight = nn.Parameter(torch.ones(width)) if affine else None
        self.bias = nn.Parameter(torch.zeros(width)) if affine else None
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b c *l"]:
        """See SignalLayer."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        kind = x.dtype
        with torch.autocast(x.device.type, enabled=False):
            x = full_precision(x)
            mean, variance = self._measured(x, extent) if self.training else (self.mean, self.variance)
            scale = (variance + self.epsilon).rsqrt()
            scale = scale if self.weight is None else scale * self.weight
            shift = -mean * scale if self.bias is None else self.bias - mean * scale
            return (x * scale.view(shape).to(x.dtype) + shift.view(shape).to(x.dtype)).to(kind)

    def _measured(self, x: Tensor, extent: Extent) -> tuple[Tensor, Tensor]:
        mask = extent.mask(tuple(x.shape[2:]))
        others = [0, *range(2, x.ndim)]
        valid = x if mask is None else x.masked_fill(~mask, 0.0)
        count = x.new_tensor(float(x[:, 0].numel())) if mask is None else mask.sum().to(x.dtype)
        sums = total_over_group(torch.cat([valid.sum(others), count[None]]))
        number = sums[-1].detach().clamp_min(1)
        mean = sums[:-1] / number
        away = x - mean.view(1, -1, *[1] * (x.ndim - 2))
        away = away if mask is None else away.masked_fill(~mask, 0.0)
        variance = total_over_group(away.square().sum(others)) / number
        with torch.no_grad():
            share = 1.0 if int(self.steps) == 0 else self.momentum
            self.mean.lerp_(mean.to(self.mean.dtype), share)
            self.variance.lerp_(variance.to(self.variance.dtype), share)
            self.steps += 1
        return mean, variance
