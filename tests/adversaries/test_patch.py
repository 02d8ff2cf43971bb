import pytest
import torch
from torch import nn

from signaltok.adversaries.patch import PatchDiscriminator


def patch(**changes):
    return PatchDiscriminator(**{"axes": 2, "channels": 3, "width": 8, "layers": 2, "groups": 4} | changes)


def numbers(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_at_the_published_scale_it_has_the_published_parameters():
    # The PatchGAN of pix2pix and VQGAN, 3 layers, 64 channels, BatchNorm: 2,765,633, recomputed below.
    ours = patch(width=64, layers=3, groups=32)
    theirs = nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128),
        nn.Conv2d(128, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256),
        nn.Conv2d(256, 512, 4, 1, 1, bias=False), nn.BatchNorm2d(512),
        nn.Conv2d(512, 1, 4, 1, 1),
    )  # fmt: skip
    assert numbers(ours) == numbers(theirs) == 2_765_633
    # GroupNorm has a scale and a shift a channel, as BatchNorm; what it lacks are the running statistics.
    assert not list(ours.buffers()) and len(list(theirs.buffers())) == 9


@pytest.mark.parametrize(
    ("size", "layers", "logits"), [((64, 64), 3, (6, 6)), ((32, 48), 2, (6, 10)), ((13, 12), 2, (1, 1))]
)
def test_it_gives_a_logit_a_patch(size, layers, logits):
    part = patch(layers=layers)
    (verdict,) = part(torch.randn(2, 3, *size))
    assert verdict.logits.shape == (2, 1, *logits)
    assert [layer.shape[1] for layer in verdict.features] == [8, 16, 32, 64][: layers + 1]


@pytest.mark.parametrize("axes", [1, 3])
def test_it_judges_signals_of_any_number_of_axes(axes):
    (verdict,) = patch(axes=axes, channels=1)(torch.randn(2, 1, *(16,) * axes))
    assert verdict.logits.shape == (2, 1, *(2,) * axes)


def test_an_item_is_judged_without_its_batch_mates():
    part, x = patch().double(), torch.randn(3, 3, 16, 16, dtype=torch.float64)
    ((all_of_them,), (alone,)) = part(x), part(x[1:2])
    torch.testing.assert_close(all_of_them.logits[1:2], alone.logits, rtol=0, atol=1e-12)


def test_too_small_signals_and_impossible_sizes_are_named():
    with pytest.raises(ValueError, match=r"3 layers needs signals of at least 24 .* got \(16, 64\)"):
        patch(layers=3)(torch.randn(1, 3, 16, 64))
    assert patch(layers=3).least == 24
    with pytest.raises(ValueError, match="width 10, layers 2 and groups 4"):
        patch(width=10)
    with pytest.raises(ValueError, match="axes must be"):
        patch(axes=4)
