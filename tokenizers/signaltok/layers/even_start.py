"""Weights from which a deep stack of convolutions begins by letting its signal through.

LeCun et al. 1998 (Efficient BackProp), section 4.6. The convolutions of torch.nn begin with the variance
1 / (3 * terms of a sum), so that a signal shrinks to 1 / sqrt(3) in each, while their constants stay as large. Behind
the dozen layers of a codec's encoder and the dozen of its decoder a few parts in a hundred thousand of the output
depend on the input, and codes chosen among such latents say nothing. Runs of a million steps grow out of that; runs of
minutes do not.
"""

import math

import torch
from torch import nn

from signaltok.layers.convolution import Convolution, TransposedConvolution
from signaltok.layers.signal_layer import Residual
from signaltok.layers.weight_norm import length


@torch.no_grad()
def start_evenly(network: nn.Module, gain: float) -> None:
    """Normal weights of the variance gain^2 / terms of a sum in all convolutions, constants zero.

    gain: of the activation between them, see layers.activation. In the last convolution of each of N residual branches
    the deviation is 1 / sqrt(N) of that, so that what N units add is as large as what they are given, whatever their
    number (Radford et al. 2019, GPT-2, section 2.3).
    """
    branches = [_convolutions(unit.branch) for unit in network.modules() if isinstance(unit, Residual)]
    last = [layers[-1] for layers in branches if layers]
    for layer in _convolutions(network):
        share = len(last) if any(layer is one for one in last) else 1
        nn.init.normal_(layer.weight, std=gain / math.sqrt(share * _terms(layer)))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if layer.weight_gain is not None:
            layer.weight_gain.copy_(length(layer.weight))


def _convolutions(network: nn.Module) -> list[Convolution | TransposedConvolution]:
    return [layer for layer in network.modules() if isinstance(layer, Convolution | TransposedConvolution)]


def _terms(layer: Convolution | TransposedConvolution) -> float:
    """What one number of the output sums over; behind a stride of a transposed convolution a share of the kernel."""
    positions = layer.weight[0, 0].numel()
    if isinstance(layer, TransposedConvolution):
        return layer.weight.shape[0] / layer.groups * positions / layer.stride**layer.axes
    return float(layer.weight.shape[1] * positions)
