"""Log-mel frames, batch normalization over valid positions, SpecAugment, and the trunks of recognizers."""

import pytest
import torch
from torch.nn import functional as F

from signaltok.layers.batch_norm import BatchNorm
from signaltok.layers.conformer import Conformer
from signaltok.layers.extent import Extent
from signaltok.layers.log_mel import LogMel
from signaltok.layers.quartz_net import QuartzNet
from signaltok.layers.relative_attention import RelativeAttention
from signaltok.layers.residual_convolutions import ResidualConvolutions
from signaltok.layers.spec_augment import SpecAugment

FULL = Extent(None, None)
MEL = {"sample_rate": 8000, "size": 40, "transform": 64, "hop": 20, "bins": 6, "floor": 1e-6}
NORM = {"width": 3, "momentum": 0.1, "epsilon": 1e-5, "affine": True}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_log_mel_is_the_logarithm_of_filtered_power():
    layer, x = LogMel(**MEL), noise(2, 1, 401)
    y = layer(x, extent=FULL)
    assert y.shape == (2, 6, 21)
    frame = x[1, 0, 5 * 20 - 10 : 5 * 20 + 30].double() * torch.hann_window(40, dtype=torch.float64)
    power = torch.fft.rfft(frame, n=64).abs().square() / torch.hann_window(40, dtype=torch.float64).square().sum()
    assert torch.allclose(y[1, :, 5].double(), (layer.filters.double() @ power + 1e-6).log(), atol=1e-5)
    assert torch.allclose(layer.filters.sum(1), torch.ones(6))


def test_log_mel_of_a_padded_item_is_that_of_the_item():
    layer, x = LogMel(**MEL), noise(2, 2, 400)
    together = layer(x, extent=Extent(torch.tensor([[400], [133]]), None))
    alone = layer(x[1:, :, :133].contiguous(), extent=FULL)
    assert alone.shape == (1, 12, 7) and torch.allclose(together[1:, :, :7], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bins": 60}, "mel bins have no frequency"),
        ({"size": 41}, "size - hop must be even"),
        ({"floor": 0.0}, "only above zero"),
        ({"transform": 32}, "transform even and at least size"),
    ],
)
def test_spectra_that_are_none_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        LogMel(**MEL | changes)


def test_batch_norm_is_the_plain_one_where_all_is_valid():
    layer, x = BatchNorm(**NORM).train(), noise(4, 3, 7).requires_grad_()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
        layer.bias.copy_(torch.tensor([0.0, 0.5, 1.0]))
    y = layer(x, extent=FULL)
    plain = F.batch_norm(x, None, None, layer.weight, layer.bias, training=True)
    assert torch.allclose(y, plain, atol=1e-5)
    weights = noise(4, 3, 7, seed=1)
    (one,), (other,) = (torch.autograd.grad((out * weights).sum(), x, retain_graph=True) for out in (y, plain))
    assert torch.allclose(one, other, atol=1e-5)
    assert torch.allclose(layer.mean, x.mean((0, 2))) and torch.allclose(layer.variance, x.var((0, 2), correction=0))
    layer(x + 1, extent=FULL)
    assert torch.allclose(layer.mean, x.mean((0, 2)) + 0.1, atol=1e-6)


def test_batch_norm_ignores_padding_and_in_evaluation_batch_mates():
    x, extent = noise(2, 3, 6), Extent(torch.tensor([[6], [2]]), None)
    layer = BatchNorm(**NORM).train()
    wild = x.clone()
    wild[1, :, 2:] = 1e6
    outs = [layer(each, extent=extent)[1, :, :2] for each in (x, wild)]
    assert torch.equal(*outs)
    valid = torch.cat([x[0], x[1, :, :2]], 1)
    assert torch.allclose(layer.mean, valid.mean(1), atol=1e-6)
    layer.eval()
    assert torch.equal(layer(x, extent=FULL)[1:], layer(x[1:], extent=FULL))


def test_spec_augment_masks_bands_and_stretches_of_each_item_in_training_alone():
    torch.manual_seed(0)
    layer = SpecAugment(bands=1, band_bins=4, stretches=1, stretch_share=0.5).train()
    x, extent = torch.ones(64, 10, 20), Extent(torch.full((64, 1), 12), None)
    y = layer(x, extent=extent)
    gone = y == 0
    bands, stretches = gone.all(2).sum(1), gone.all(1).sum(1)
    assert bands.min() == 0 and bands.max() == 4 and stretches.min() == 0 and stretches.max() == 6
    assert not gone[:, :, 12:].transpose(1, 2)[~gone.all(2)[:, None].expand(64, 8, 10)].any()
    assert not torch.equal(y, layer(x, extent=extent))
    layer.eval()
    assert torch.equal(layer(x, extent=extent), x)


def test_attention_scores_know_the_distance():
    torch.manual_seed(0)
    layer, x = RelativeAttention(width=8, heads=2), noise(1, 5, 8)
    with torch.no_grad():
        for bias in (layer.content_bias, layer.position_bias):
            bias.normal_()
        found = layer(x, None)
        q, k, v = (f(x)[0].view(5, 2, 4) for f in (layer.queries, layer.keys, layer.values))
        out = torch.zeros(5, 2, 4)
        for head in range(2):
            for i in range(5):
                scores = []
                for j in range(5):
                    angles = (i - j) * 10_000.0 ** (-torch.arange(0, 8, 2) / 8)
                    r = layer.positions(torch.stack([angles.sin(), angles.cos()], 1).flatten()).view(2, 4)[head]
                    content = (q[i, head] + layer.content_bias[head]) @ k[j, head]
                    scores.append((content + (q[i, head] + layer.position_bias[head]) @ r) / 2)
                out[i, head] = torch.stack(scores).softmax(0) @ v[:, head]
        assert torch.allclose(found[0], layer.out(out.flatten(1)), atol=1e-5)


TRUNKS = {
    "residual": lambda: ResidualConvolutions(
        inputs=6, width=8, strides=[2, 2], stem_kernel=5, depth=2, kernel=3, momentum=0.1
    ),
    "quartz": lambda: QuartzNet(
        inputs=6, stem_kernel=5, stride=4, widths=[8, 10], kernels=[3, 5], copies=1, repeats=2, last_kernel=3,
        last_width=8, momentum=0.1,
    ),
    "conformer": lambda: Conformer(bins=6, width=8, depth=2, heads=2, kernel=5, momentum=0.1),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUNKS)
def test_a_trunk_ignores_padding_and_trains_every_parameter(name):
    torch.manual_seed(0)
    trunk = TRUNKS[name]().train()
    x, lengths = noise(2, 6, 41), torch.tensor([[41], [18]])
    x[1, :, 18:] = 100.0
    trunk(x, extent=Extent(lengths, None)).square().sum().backward()
    blind = {"content_bias", "keys.bias"}  # the softmax does not see what is the same for every key
    for part, parameter in trunk.named_parameters():
        assert parameter.grad is not None, part
        assert parameter.grad.abs().sum() > 0 or any(part.endswith(end) for end in blind), part
    trunk.eval()
    with torch.no_grad():
        together = trunk(x, extent=Extent(lengths, None))
        alone = trunk(x[1:, :, :18].contiguous(), extent=FULL)
    assert together.shape == (2, 8, 11) and alone.shape == (1, 8, 5)
    assert torch.allclose(together[1:, :, :5], alone, atol=1e-5)


@pytest.mark.parametrize("name", ["residual", "quartz"])
def test_a_trunk_looks_as_far_as_it_says(name):
    torch.manual_seed(0)
    trunk, x = TRUNKS[name]().eval(), noise(1, 6, 161).requires_grad_()
    first, last = trunk.looks(20, 20)
    trunk(x, extent=FULL)[0, :, 20].sum().backward()
    reached = x.grad[0].abs().sum(0).nonzero()[:, 0]
    assert (int(reached.min()), int(reached.max())) == (first, last) or (
        int(reached.min()) >= first and int(reached.max()) <= last and int(reached.max() - reached.min()) > 8
    )
