"""What turns videos into the features by which sets of them are compared: a network that is read from a path."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import Identity
from torch.nn import functional as F
from torchvision.models.video import mc3_18, r2plus1d_18, r3d_18

from signaltok.checkpoint import read_checkpoint
from signaltok.features import Hidden
from signaltok.metrics.extractors import FeatureExtractor

NETWORKS: dict[str, Callable[..., Any]] = {"r3d_18": r3d_18, "mc3_18": mc3_18, "r2plus1d_18": r2plus1d_18}
# Of the channels, as torchvision trained these networks on Kinetics-400.
MEAN, DEVIATION = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)


class VideoResNetExtractor(FeatureExtractor):
    """The 512 pooled features of a video network of 18 layers (Tran et al. 2018), as torchvision has it.

    A distance by them is like FVD (Unterthiner et al. 2018) and is not FVD, whose features are I3D's.

    network: r3d_18, mc3_18 or r2plus1d_18. path: its weights as torchvision publishes them; nothing is ever downloaded.
    size: pixels of the frames' shorter side, to which they are resized whole, bilinear with antialiasing.
    Raises ValueError where the file is not there or does not fit.
    """

    axes = 3

    def __init__(self, *, network: str, path: str | None, size: int) -> None:
        if network not in NETWORKS:
            raise ValueError(f"there is no video network {network}; there are {', '.join(NETWORKS)}")
        if size < 16:
            raise ValueError(f"the extractor's size is {size}; give 16 pixels or more")
        if path is None or not Path(path).is_file():
            raise ValueError(
                f"a distance between sets of videos needs a network's weights, and path is {path}: put torchvision's "
                f"weights of {network} there"
            )
        self._network, self._hash = _read(network, Path(path))
        self.network, self.size = network, size

    def __call__(self, pictures: UInt8[Tensor, "b 3 f h w"]) -> Float[Tensor, "b d"]:
        """See FeatureExtractor; of videos, of one frame or more."""
        frames = pictures.transpose(1, 2).flatten(0, 1).float() / 255
        height, width = frames.shape[2:]
        factor = self.size / min(height, width)
        target = (round(height * factor), round(width * factor))
        frames = F.interpolate(frames, target, mode="bilinear", antialias=True)
        mean, deviation = (frames.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        frames = (frames - mean) / deviation
        network: Any = self._network.on(pictures.device)
        with torch.no_grad():
            return network(frames.unflatten(0, (len(pictures), -1)).transpose(1, 2))

    def words(self) -> str:
        """See FeatureExtractor."""
        return (
            f"{self.network} of torchvision, weights of SHA-256 {self._hash}, 512 pooled features, shorter side "
            f"resized to {self.size} (bilinear, antialiased), from uint8"
        )


def _read(name: str, path: Path) -> tuple[Hidden, str]:
    """The network without its last layer, and the first twelve digits of the file's hash."""
    weights = read_checkpoint(path)
    classes = weights["fc.weight"].shape[0] if "fc.weight" in weights else 400
    with torch.random.fork_rng(devices=[]):
        network = NETWORKS[name](weights=None, num_classes=classes)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[1].strip()
        raise ValueError(f"{path} does not hold the weights of {name}: {reason[:200]}") from None
    network.fc = Identity()
    return Hidden(network), hashlib.sha256(path.read_bytes()).hexdigest()[:12]
