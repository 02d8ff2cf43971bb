"""Patches as vectors (Dosovitskiy et al. 2021, equation 1): what every transformer over a signal begins with."""

from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import conv, silence
from signaltok.layers.resample import pad_to_multiple, space_to_depth
from signaltok.types.token_stack import grid_lengths, valid_mask

PATCH_GAIN = 3.0  # pixels have a root mean square of about a third of their range


def patch_embedding(axes: int, values: int, width: int) -> nn.Module:
    """The pointwise layer that embedded_patches takes: at the start a rotation that gives about length one a channel.

    All directions of a patch are kept alike; with the usual start, coordinates outweigh what the patch shows.
    """
    embed = conv(axes, values, width, 1)
    nn.init.orthogonal_(embed.weight.flatten(1), gain=PATCH_GAIN)  # type: ignore[union-attr,arg-type]
    return embed


def embedded_patches(
    embed: nn.Module, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None, stride: tuple[int, ...]
) -> tuple[Float[Tensor, "b w *l"], Bool[Tensor, "b 1 *l"] | None]:
    """(vectors, mask of the valid patches or None): patches of stride on each axis, padding silenced, through embed.

    embed: a pointwise layer over the c * stride^axes values of a patch.
    """
    x = pad_to_multiple(signal, stride[0])
    if lengths is None:
        return embed(space_to_depth(x, stride[0])), None
    x = embed(space_to_depth(silence(x, valid_mask(lengths, tuple(x.shape[2:]))), stride[0]))
    return x, valid_mask(grid_lengths(lengths, stride), tuple(x.shape[2:]))
