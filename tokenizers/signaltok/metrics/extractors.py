"""What turns pictures into the features by which sets of them are compared; of videos, video_extractor.py.

Pictures come as uint8, rounded as a picture file would hold them.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from signaltok.features import Hidden, efficientnet_lite0, pooled_features
from signaltok.parts import Part


class FeatureExtractor(Part, ABC):
    """Pictures to features. axes: 2, or 3 of one that takes videos."""

    axes = 2

    @abstractmethod
    def __call__(self, pictures: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """The features, each picture's independent of the others', in float32."""

    @abstractmethod
    def words(self) -> str:
        """Network, resize and rounding, for the protocol."""


class EfficientNetExtractor(FeatureExtractor):
    """The 1,280 pooled features of EfficientNet-Lite0, whose weights come with the extra `perceptual`.

    size: side in pixels to which pictures are resized, bilinear with antialiasing; None for pictures as they are.
    """

    def __init__(self, *, size: int | None) -> None:
        if size is not None and size < 32:
            raise ValueError(
                f"the extractor's size is {size}; give 32 or more pixels, or null for pictures as they are"
            )
        efficientnet_lite0()  # what is not installed is an error before the first step
        self.size = size

    def __call__(self, pictures: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """See FeatureExtractor."""
        values = pictures.float() / 255
        if self.size is not None:
            values = F.interpolate(values, (self.size, self.size), mode="bilinear", antialias=True)
        return pooled_features(values)

    def words(self) -> str:
        """See FeatureExtractor."""
        resize = "no resize" if self.size is None else f"resized to {self.size} (bilinear, antialiased)"
        return f"EfficientNet-Lite0, 1,280 pooled features, {resize}, from uint8"


class InceptionExtractor(FeatureExtractor):
    """The 2,048 pooled features of TensorFlow's Inception-v3, by torch-fidelity: those of FID and KID.

    path: torch-fidelity's weights, weights-inception-2015-12-05-6726825d.pth; nothing is ever downloaded.
    """

    def __init__(self, *, path: str | None) -> None:
        if path is None or not Path(path).is_file():
            raise ValueError(
                f"FID and KID need Inception's weights, and path is {path}: put torch-fidelity's "
                "weights-inception-2015-12-05-6726825d.pth there, or use metrics=image_perceptual, whose weights come "
                "with the extra `perceptual`"
            )
        self._network = _inception(path)

    def __call__(self, pictures: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """See FeatureExtractor."""
        network: Any = self._network.on(pictures.device)
        return network(pictures)[0]

    def words(self) -> str:
        """See FeatureExtractor."""
        return "Inception-v3 (TensorFlow 2015-12-05), 2,048 pooled features, resized to 299 as TensorFlow 1, from uint8"


def _inception(path: str) -> Hidden:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ValueError(f"FID and KID need the package {error.name}: pip install -e '.[metrics]'") from None
    with torch.random.fork_rng(devices=[]):
        return Hidden(FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=path))
