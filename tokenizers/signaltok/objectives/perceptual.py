"""Distances between pictures by the features of a frozen network.

The networks are no part of a term: they are neither trained, averaged, saved in checkpoints nor exported.
"""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.checkpoint import read_checkpoint
from signaltok.features import BLOCKS, Hidden, efficientnet_lite0, stage_features, unit_channels
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction

TRUNKS = {"vgg": "vgg16", "alex": "alexnet", "squeeze": "squeezenet1_1"}  # torchmetrics' names and torchvision's


class FeatureDistance(Term):
    """A mean over the pictures of a batch, each at its valid extent. value_range: (low, high) of the signal.

    With several processes each gives its part of the mean over all of them.
    """

    def __init__(self, *, value_range: list[float]) -> None:
        super().__init__()
        self.low, self.high = value_range

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """0 for equal pictures. Raises ValueError for signals that are no pictures of three channels."""
        if batch.signal.ndim != 4 or batch.signal.shape[1] != 3:
            raise ValueError(
                f"{type(self).__name__} looks at pictures of three channels, got {tuple(batch.signal.shape)}; "
                "choose another objective"
            )
        x, y = (self._unit(signal) for signal in (batch.signal, reconstruction.signal))
        if batch.lengths is None:
            each = self.distance(x, y)
        else:
            cuts = [
                (slice(n, n + 1), slice(None), slice(h), slice(w)) for n, (h, w) in enumerate(batch.lengths.tolist())
            ]
            each = torch.cat([self.distance(x[cut], y[cut]) for cut in cuts])
        return part_of_group_mean(each.mean(), len(each))

    @abstractmethod
    def distance(self, x: Float[Tensor, "b 3 h w"], y: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """The distance of each picture of values 0..1 from its original x, which needs no gradient."""

    def _unit(self, signal: Tensor) -> Tensor:
        return (signal.float() - self.low) / (self.high - self.low)


class EfficientNetPerceptual(FeatureDistance):
    """Squared distance of the features of EfficientNet-Lite0, channels of unit length, a mean over the blocks.

    Made like LPIPS (Zhang et al. 2018, equation 1) without its learned weights of the channels, and with another
    network: it is not LPIPS, and its values are not LPIPS's. blocks: of the network, 0 to 15; the last before each
    halving are 0, 2, 4, 10, 15.
    """

    def __init__(self, *, value_range: list[float], blocks: list[int]) -> None:
        super().__init__(value_range=value_range)
        if not blocks or sorted(set(blocks)) != blocks or blocks[0] < 0 or blocks[-1] >= BLOCKS:
            raise ValueError(f"blocks is {blocks}; give rising numbers from 0 to {BLOCKS - 1}, such as [0, 2, 4, 10]")
        self.blocks = tuple(blocks)
        efficientnet_lite0()  # what is not installed is an error before the first step

    def distance(self, x: Float[Tensor, "b 3 h w"], y: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """See FeatureDistance."""
        with torch.no_grad():
            originals = [unit_channels(features) for features in stage_features(x, self.blocks)]
        found = [unit_channels(features) for features in stage_features(y, self.blocks)]
        squares = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(originals, found, strict=True)]
        return torch.stack(squares).mean(0)


class LearnedPerceptualSimilarity(FeatureDistance):
    """LPIPS (Zhang et al. 2018) by torchmetrics, which ships the channels' weights but not the trunk's.

    trunk: vgg (the usual loss), alex (the usual metric) or squeeze. path: torchvision's ImageNet weights of that trunk;
    nothing is ever downloaded.
    """

    def __init__(self, *, value_range: list[float], trunk: str, path: str | None) -> None:
        super().__init__(value_range=value_range)
        if trunk not in TRUNKS:
            raise ValueError(f"trunk is {trunk!r}; it is one of {', '.join(TRUNKS)}")
        if path is None or not Path(path).is_file():
            raise ValueError(
                f"LPIPS needs the weights of its trunk, and path is {path}: put torchvision's {TRUNKS[trunk]}-*.pth "
                "there (torchvision.models downloads it elsewhere), or use EfficientNetPerceptual, whose weights come "
                "with the extra `perceptual`"
            )
        self._network = _lpips(trunk, Path(path))

    def distance(self, x: Float[Tensor, "b 3 h w"], y: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """See FeatureDistance."""
        network = self._network.on(x.device)
        return network(x, y, normalize=True).flatten()


def _lpips(trunk: str, path: Path) -> Hidden:
    # An import of torchmetrics is slow, and who has no such term is not to pay for it.
    from torchmetrics.functional.image.lpips import _NoTrainLpips

    with torch.random.fork_rng(devices=[]):
        build: Any = _NoTrainLpips
        network = build(net=trunk, pnet_rand=True)
    weights = {name: value for name, value in read_checkpoint(path).items() if name.startswith("features.")}
    # torchmetrics keeps torchvision's layers under their numbers, in slices: slice2.5.weight is features.5.weight.
    ours = {name: "features." + ".".join(_layer(name)) for name in network.net.state_dict()}
    missing = sorted(set(ours.values()) - weights.keys())
    if missing:
        raise ValueError(
            f"{path} holds no weights of {TRUNKS[trunk]}: it lacks {missing[0]} and {len(missing) - 1} more"
        )
    network.net.load_state_dict({name: weights[theirs] for name, theirs in ours.items()})
    return Hidden(network)


def _layer(name: str) -> list[str]:
    """The part of a trunk's name that is torchvision's."""
    parts = name.split(".")
    return parts[2:] if parts[0] == "slices" else parts[1:]
