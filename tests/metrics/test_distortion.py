import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from signaltok.data.read_image import read_image
from signaltok.metrics.distortion import PeakSignalToNoiseRatio, StructuralSimilarity, psnr, ssim

RANGE = (-1.0, 1.0)


@pytest.fixture
def pair(photos):
    names = sorted(photos.glob("*.jpg"))[:3]
    x = torch.stack([read_image(name)[:, 100:148, 200:264] for name in names])
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) * torch.tensor([0.02, 0.1, 0.4]).view(
        3, 1, 1, 1
    )
    return x, (x + noise).clamp(-1, 1)


def test_psnr_of_a_constant_offset_has_a_closed_form():
    x = torch.zeros(2, 3, 8, 8)
    y = x + torch.tensor([0.2, 0.02]).view(2, 1, 1, 1)
    expected = [20 * math.log10(2 / 0.2), 20 * math.log10(2 / 0.02)]
    assert psnr(x, y, RANGE).tolist() == pytest.approx(expected, rel=1e-6)


def test_psnr_of_identical_items_is_infinite_and_counts_as_100_in_a_mean(pair):
    x, y = pair
    y = torch.cat([x[:1], y[1:]])
    assert psnr(x, y, RANGE)[0] == float("inf")
    measured = PeakSignalToNoiseRatio().measure(x, y, RANGE, None)
    assert measured[0] == 100
    torch.testing.assert_close(measured[1:], psnr(x, y, RANGE)[1:])


def test_psnr_is_torchmetrics_item_by_item(pair):
    x, y = pair
    expected = peak_signal_noise_ratio(y.double(), x.double(), data_range=2.0, dim=(1, 2, 3), reduction="none")
    torch.testing.assert_close(psnr(x, y, RANGE), expected)


def test_ssim_is_torchmetrics_on_0_to_1_item_by_item(pair):
    x, y = pair
    expected = structural_similarity_index_measure(
        (y.double() + 1) / 2, (x.double() + 1) / 2, data_range=1.0, reduction="none"
    )
    torch.testing.assert_close(ssim(x, y, RANGE), expected, rtol=1e-9, atol=1e-9)


def test_ssim_of_flat_pictures_has_a_closed_form():
    x, y = torch.full((1, 1, 16, 16), 0.25), torch.full((1, 1, 16, 16), 0.75)
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert float(ssim(x, y, (0.0, 1.0))) == pytest.approx(expected, rel=1e-6)
    assert float(ssim(x, x, (0.0, 1.0))) == pytest.approx(1)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_only_the_ratio_to_the_range_counts(pair, measure):
    x, y = pair
    torch.testing.assert_close(
        measure(x, y, RANGE), measure((x + 1) * 127.5, (y + 1) * 127.5, (0.0, 255.0)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("metric", [PeakSignalToNoiseRatio(), StructuralSimilarity()])
def test_padding_is_left_out(pair, metric):
    x, y = pair
    lengths = torch.tensor([[48, 64], [20, 33], [11, 64]])
    alone = torch.cat(
        [
            metric.measure(a[None, :, :h, :w], b[None, :, :h, :w], RANGE, None)
            for a, b, (h, w) in zip(x, y, lengths.tolist(), strict=True)
        ]
    )
    y = y.clone()
    for item, (h, w) in enumerate(lengths.tolist()):
        y[item, :, h:] = float("nan")
        y[item, :, :, w:] = float("nan")
    assert torch.equal(metric.measure(x, y, RANGE, lengths), alone)


def test_ssim_refuses_pictures_smaller_than_its_window(pair):
    x, y = pair
    with pytest.raises(ValueError, match=r"at least 11 x 11, got \(10, 64\)"):
        ssim(x[:, :, :10], y[:, :, :10], RANGE)
    with pytest.raises(ValueError, match=r"got \(48, 9\)"):
        ssim(x, y, RANGE, torch.tensor([[48, 64], [48, 9], [48, 64]]))
