"""Features of EfficientNet-Lite0 as it was trained on ImageNet, held as they are: a tower that is locked.

Zhai et al. 2022, LiT: Zero-Shot Transfer with Locked-image text Tuning (arXiv:2111.07991), section 3: where pairs are
few, contrast a trained, locked network of pictures with a tower of texts that learns. The network (Tan and Le 2019) is
part of the encoder, and so of what is exported. Beside its last features stand those of earlier blocks, as what a
drawing looks like is told by them better than by the last, which tell what a photograph shows (hypercolumns, Hariharan
et al. 2015, section 3).
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.features import BLOCKS, CHANNELS, LEAST, efficientnet_lite0, normal
from signaltok.layers.batch_norm import BatchNorm
from signaltok.layers.extent import Extent
from signaltok.parts import Encoder
from signaltok.types.token_stack import grid_lengths

EPSILON = 1e-5
TOGETHER = 16  # pictures at a time: what a layer gives stays in the cache of a processor, which is 1.7 times as fast


class ImageNetEncoder(Encoder):
    """signal [b, 3, h, w] in -1..1 -> features [b, latent_dim, *ceil(s / stride)], each channel standardised.

    channels: 3. stride: 32, the network's own, or a divisor of it: pictures are then made so much larger first
    (bicubic), as the network has seen large ones. blocks: earlier ones, rising numbers from 0 to 15, whose mean over
    each cell follows the last 1,280 channels; empty for none. momentum: of the running mean and variance of the
    features, which are all that changes in training. Raises ValueError where the extra `perceptual`, which has the
    weights, is missing.
    """

    axes = 2
    receptive_field = None  # of several hundred pixels, more than the pictures have that this is made for

    def __init__(self, *, channels: int, stride: int, blocks: Sequence[int], momentum: float) -> None:
        super().__init__()
        if channels != 3:
            raise ValueError(f"channels is {channels}, but the network has learned from pictures of 3")
        if stride < 1 or LEAST % stride:
            raise ValueError(f"stride is {stride}; it must divide the network's stride of {LEAST}: 32, 16, 8 ...")
        if list(blocks) != sorted(set(blocks)) or any(not 0 <= number < BLOCKS for number in blocks):
            raise ValueError(f"blocks is {list(blocks)}; give rising numbers from 0 to {BLOCKS - 1}, or none")
        self.channels, self.stride, self.enlarge = channels, (stride,) * 2, LEAST // stride
        self.blocks = tuple(blocks)
        self.network = _locked(efficientnet_lite0().on(torch.device("cpu")))
        widths = [block._block_args.output_filters for block in self.network._blocks]
        self.latent_dim = CHANNELS + sum(widths[number] for number in blocks)
        self.norm = BatchNorm(width=self.latent_dim, momentum=momentum, epsilon=EPSILON, affine=False)

    def train(self, mode: bool = True) -> "ImageNetEncoder":
        """The network stays as it is, with the statistics that it was trained with."""
        super().train(mode)
        self.network.eval()
        return self

    @torch.no_grad()
    def forward(
        self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None
    ) -> Float[Tensor, "b d *l"]:
        """See Encoder. Pictures of different sizes go through the network one at a time, each as it is."""
        if lengths is None:
            features = torch.cat([self._features(part) for part in signal.split(TOGETHER)])
            return self.norm(features, extent=Extent(None, None))
        cells = grid_lengths(lengths, self.stride)
        alone = [
            self._features(picture[None, :, :height, :width])
            for picture, (height, width) in zip(signal, lengths.tolist(), strict=True)
        ]
        grid = [-(-size // stride) for size, stride in zip(signal.shape[2:], self.stride, strict=True)]
        padded = [F.pad(x, (0, grid[1] - x.shape[3], 0, grid[0] - x.shape[2])) for x in alone]
        return self.norm(torch.cat(padded), extent=Extent(cells, None))

    def _features(self, signal: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d i j"]:
        """Of pictures that are completed to whole cells by repeating their last pixels."""
        rests = [-size % stride for size, stride in zip(signal.shape[2:], self.stride, strict=True)]
        x = F.pad(signal, (0, rests[1], 0, rests[0]), mode="replicate")
        if self.enlarge > 1:
            x = F.interpolate(x, scale_factor=self.enlarge, mode="bicubic", align_corners=False)
        x = normal(x.clamp(-1, 1).add(1).div(2)).contiguous(memory_format=torch.channels_last)
        network, found = self.network, []
        cells = x.shape[2] // LEAST, x.shape[3] // LEAST
        x = network._swish(network._bn0(network._conv_stem(x)))
        for number, block in enumerate(network._blocks):
            x = block(x)
            if number in self.blocks:
                found.append(F.adaptive_avg_pool2d(x.float(), cells))
        return torch.cat([network._swish(network._bn1(network._conv_head(x))).float(), *found], 1)


def _locked(network: nn.Module) -> Any:
    """A copy without the head of ImageNet's classes, all of it buffers: what does not learn is no parameter."""
    network = copy.deepcopy(network).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    network._fc = nn.Identity()
    for layer in network.modules():
        for name, value in list(layer.named_parameters(recurse=False)):
            delattr(layer, name)
            layer.register_buffer(name, value.detach())
        if isinstance(layer, nn.ReLU6):
            layer.inplace = True  # nothing else reads what it is given
    return network
