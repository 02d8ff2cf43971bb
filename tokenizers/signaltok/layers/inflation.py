"""Networks of pictures made networks of videos, so that a video begins with what was learned of pictures.

- from_pictures: the weights of a network of pictures in one of videos whose layers along time do nothing yet.
- inflate: a network of videos that has seen single frames alone. What its kernels along time make of a still is moved
  into their last position (Open-MAGVIT2's "last temporal slice"; MAGVIT, Yu et al. 2023, 3.1, takes the central one),
  and frames that a cell is taken from or becomes are treated alike (averages: Carreira and Zisserman 2017, 2.4).
  While it sees single frames, `tie` before each step: a cell then becomes equal frames, as a picture has no others.

After either, a single frame, and every frame of a still, gives what the network of pictures gave.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from signaltok.layers.time_convolution import CausalConvolution, Faster, Slower
from signaltok.layers.video import TimeBlock

OVER_FRAMES = ".frame."  # in the names of a video's blocks, of which pictures have this half alone


def along_time(network: nn.Module) -> list[CausalConvolution | Slower | Faster]:
    """The layers along time. ValueError where there are none."""
    layers = [layer for layer in network.modules() if isinstance(layer, CausalConvolution | Slower | Faster)]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no layers along time, which pictures could be inflated to")
    return layers


def tie(network: nn.Module) -> None:
    """Have every layer that makes several frames of one make them alike, in place."""
    for layer in along_time(network):
        if isinstance(layer, Faster):
            layer.inflate()


def inflate(network: nn.Module) -> None:
    """In place, every layer along time. ValueError where there is none."""
    for layer in along_time(network):
        layer.inflate()


@torch.no_grad()
def from_pictures(network: nn.Module, stride: tuple[int, ...], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a network of videos, of this stride, from that of its likeness for pictures.

    Its layers along time are set to do nothing, in place. Names that have no likeness stay as they are, for whoever
    loads the state to complain of. Raises ValueError where not all of the stride in time is that of such layers.
    """
    steps = [layer for layer in along_time(network) if isinstance(layer, Slower | Faster)]
    if not any(isinstance(layer, TimeBlock) for layer in network.modules()):
        raise ValueError(
            f"{type(network).__name__} has no likeness among networks of pictures; let it begin with single frames "
            "(run.pictures_until), or take encoder=video and decoder=video"
        )
    if math.prod(step.factor for step in steps) != stride[0]:
        raise ValueError(
            f"{type(network).__name__} makes several frames one before its first layer, as no network of pictures "
            "does; take a front of one frame, encoder.front.time=1"
        )
    for layer in [*steps, *(layer for layer in network.modules() if isinstance(layer, TimeBlock))]:
        layer.stand_still()
    names = {
        f"{name}.{key}"
        for name, layer in network.named_modules()
        if isinstance(layer, TimeBlock | Slower | Faster)
        for key in layer.state_dict()
    }
    own, found = network.state_dict(), dict(weights)
    state = {name: own[name] for name in names}
    for name in own.keys() - names:
        theirs = found.pop(name.replace(OVER_FRAMES, "."), None)
        if theirs is not None:
            state[name] = theirs.unsqueeze(2) if theirs.ndim == 4 else theirs
    return {**found, **state}
