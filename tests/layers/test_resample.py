"""Space to depth loses nothing, over every number of axes, and is torch's own for two."""

import pytest
import torch
from torch.nn import functional as F

from signaltok.layers.resample import depth_to_space, pad_to_multiple, space_to_depth


@pytest.mark.parametrize("shape", [(2, 3, 12), (2, 3, 8, 12), (1, 2, 4, 8, 12)])
def test_there_and_back_is_the_identity(shape):
    x = torch.randn(shape)
    assert torch.equal(depth_to_space(space_to_depth(x, 4), 4), x)


def test_the_general_order_is_torchs():
    x = torch.randn(2, 3, 8, 12)
    general = space_to_depth(x[..., None].expand(-1, -1, -1, -1, 2).contiguous(), 2)
    planes = general.view(2, 3, 2, 2, 2, 4, 6, 1)[..., 0]
    assert torch.equal(planes[:, :, :, :, 0].reshape(2, 12, 4, 6), F.pixel_unshuffle(x, 2))


def test_padding_goes_to_the_end():
    x = torch.ones(1, 1, 5, 8)
    padded = pad_to_multiple(x, 4)
    assert padded.shape == (1, 1, 8, 8) and torch.equal(padded[:, :, :5], x) and not padded[:, :, 5:].any()


def test_channels_last_stays_so():
    x = torch.randn(2, 3, 8, 12).contiguous(memory_format=torch.channels_last)
    deep = space_to_depth(x, 4)
    assert deep.is_contiguous(memory_format=torch.channels_last)
    assert depth_to_space(deep, 4).is_contiguous(memory_format=torch.channels_last)
