"""What a discriminator of waveforms looks at, number by number."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from signaltok.adversaries.views import PeriodView, ScaleView, SpectrumView

WHOLE = [[0.0, 1.0]]
DAC = [[0.0, 0.1], [0.1, 0.25], [0.25, 0.5], [0.5, 0.75], [0.75, 1.0]]


def spectrum(**changes):
    return SpectrumView(**{"window": 8, "hop": 2, "edges": "none", "unit_norm": True, "bands": WHOLE} | changes)


@pytest.mark.parametrize("period", [1, 2, 3, 5, 7, 11])
@pytest.mark.parametrize("length", [11, 22, 30, 77])
def test_a_period_folds_every_sample_into_its_column_and_drops_none(period, length):
    signal = torch.arange(2.0 * length).view(1, 2, length)
    (folded,) = PeriodView(period=period)(signal)
    rows = math.ceil(length / period)
    assert folded.shape == (1, 2, rows, period)
    for sample in range(length):
        assert torch.equal(folded[:, :, sample // period, sample % period], signal[:, :, sample])
    # What fills up the last row is the signal mirrored at its last sample, not repeated.
    for number, sample in enumerate(range(length, rows * period)):
        assert torch.equal(folded[:, :, -1, sample % period], signal[:, :, length - 2 - number])


def test_each_scale_is_the_mean_of_four_in_steps_of_two_of_the_one_before():
    signal = torch.randn(1, 1, 24, dtype=torch.float64)
    (whole,), (half,), (quarter,) = (ScaleView(halvings=n)(signal) for n in range(3))
    assert torch.equal(whole, signal) and half.shape[2] == 12 and quarter.shape[2] == 6
    x = signal[0, 0]
    torch.testing.assert_close(half[0, 0, 3], x[5:9].mean())
    torch.testing.assert_close(half[0, 0, 0], x[:3].mean(), msg="padding is no part of the mean")
    torch.testing.assert_close(quarter[0, 0, 2], half[0, 0, 3:7].mean())


@pytest.mark.parametrize("unit_norm", [True, False])
def test_a_spectrum_is_the_transform_of_each_whole_window(unit_norm):
    signal = torch.randn(2, 2, 21, dtype=torch.float64)
    view = spectrum(unit_norm=unit_norm).double()
    (found,) = view(signal)
    assert found.shape == (2, 4, (21 - 8) // 2 + 1, 5)
    taper = torch.tensor([0.5 - 0.5 * math.cos(2 * math.pi * n / 8) for n in range(8)], dtype=torch.float64)
    taper = taper / taper.square().sum().sqrt() if unit_norm else taper
    for frame in range(found.shape[2]):
        expected = torch.fft.rfft(signal[..., 2 * frame : 2 * frame + 8] * taper)
        # Real parts of all channels, then imaginary ones.
        torch.testing.assert_close(found[:, :2, frame], expected.real, atol=1e-6, rtol=0)
        torch.testing.assert_close(found[:, 2:, frame], expected.imag, atol=1e-6, rtol=0)


def test_a_spectrum_is_torchaudio_s_at_the_published_settings():
    spectrogram = pytest.importorskip("torchaudio").transforms.Spectrogram(
        n_fft=1024, hop_length=256, win_length=1024, center=False, pad_mode=None, power=None, normalized=True
    )
    signal = torch.randn(1, 1, 4000)
    (found,) = SpectrumView(window=1024, hop=256, edges="none", unit_norm=True, bands=WHOLE)(signal)
    theirs = spectrogram(signal).transpose(2, 3)
    torch.testing.assert_close(found, torch.cat([theirs.real, theirs.imag], dim=1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [2048, 2049, 3333])
def test_with_edges_there_is_a_window_for_every_hop_begun(length):
    # DAC's "match stride": reflect (window - hop) / 2 and up to a whole hop, transform with windows centred on their
    # hops, and drop two at either end.
    signal = torch.randn(1, 1, length, dtype=torch.float64)
    view = SpectrumView(window=512, hop=128, edges="reflect", unit_norm=False, bands=WHOLE).double()
    (found,) = view(signal)
    filled = math.ceil(length / 128) * 128 - length
    padded = F.pad(signal, (192, 192 + filled), mode="reflect")
    whole = torch.stft(
        padded[0], 512, 128, window=torch.hann_window(512, dtype=torch.float64), center=True, return_complex=True
    )
    expected = whole[..., 2:-2].transpose(1, 2)
    assert found.shape[2] == math.ceil(length / 128)
    torch.testing.assert_close(found[:, 0], expected.real, atol=1e-5, rtol=0)


def test_the_published_bands_have_the_published_edges_and_together_all_frequencies():
    # DAC's release: shares 0, .1, .25, .5, .75, 1 of window / 2 + 1 frequencies, cut to whole numbers.
    for window, edges in ((2048, [0, 102, 256, 512, 768, 1025]), (512, [0, 25, 64, 128, 192, 257])):
        view = SpectrumView(window=window, hop=window // 4, edges="reflect", unit_norm=False, bands=DAC)
        assert view.bands == list(pairwise(edges))
        signal = torch.randn(1, 1, 4096)
        whole = SpectrumView(window=window, hop=window // 4, edges="reflect", unit_norm=False, bands=WHOLE)(signal)
        assert torch.equal(torch.cat(view(signal), dim=-1), whole[0])


@pytest.mark.parametrize("positions", [1, 3, 8])
@pytest.mark.parametrize(
    "view",
    [ScaleView(halvings=2), PeriodView(period=7), spectrum(), spectrum(edges="reflect")],
    ids=["scale", "period", "spectrum", "edges"],
)
def test_the_least_length_is_the_shortest_that_gives_so_many_positions(view, positions):
    least = view.least(positions)
    assert view(torch.randn(1, 1, least))[0].shape[2] >= positions
    if positions > 1:
        assert view(torch.randn(1, 1, least - 1))[0].shape[2] < positions
    elif isinstance(view, SpectrumView) and view.edges == "none":
        with pytest.raises(RuntimeError):
            view(torch.randn(1, 1, least - 1))


def test_a_spectrum_is_computed_in_full_precision_wherever_it_stands():
    signal = torch.randn(1, 1, 40)
    (plain,) = spectrum()(signal)
    with torch.autocast("cpu", torch.bfloat16):
        (inside,) = spectrum()(signal)
    assert torch.equal(plain, inside) and inside.dtype == torch.float32


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: PeriodView(period=0), "period 0"),
        (lambda: ScaleView(halvings=-1), "halvings -1"),
        (lambda: spectrum(window=7), "window 7 and hop 2"),
        (lambda: spectrum(hop=9), "window 8 and hop 9"),
        (lambda: spectrum(edges="zeros"), "edges 'zeros'; it is one of none, reflect"),
        (lambda: spectrum(edges="reflect", hop=3), "odd"),
        (lambda: spectrum(bands=[[0.5, 0.5]]), "shares"),
        (lambda: spectrum(bands=[]), "shares"),
    ],
)
def test_impossible_views_are_named(build, words):
    with pytest.raises(ValueError, match=words):
        build()
