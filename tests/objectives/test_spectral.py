"""Spectral terms against formulas of their own: closed forms, and torchaudio's spectrograms."""

import math

import pytest
import torch

from signaltok.objectives.signal_ratio import NegativeSISDR
from signaltok.objectives.spectral import MultiScaleMel, MultiScaleSTFT
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction

WINDOWS, BINS = [32, 64, 128, 256, 512, 1024, 2048], [5, 10, 20, 40, 80, 160, 320]
HOW = {"hop": 4, "linear_weight": 0.0, "log_weight": 1.0, "log_norm": "absolute", "log_guard": "clamp", "guard": 1e-5}


def case(x, y, lengths=None):
    batch = Batch(signal=x, keys=("k",) * len(x), lengths=lengths)
    latent = torch.zeros(len(x), 1, 1)
    return batch, Reconstruction(signal=y, quantized=Quantized(z_q=latent, codes=()), latent=latent)


def noise(*shape):
    return torch.rand(*shape) * 2 - 1


def test_half_the_level_is_the_logarithm_of_two_at_every_window():
    x = noise(2, 1, 4000)
    term = MultiScaleSTFT(windows=[64, 512], **HOW)
    assert float(term(*case(x, x / 2))) == pytest.approx(2 * math.log10(2), rel=1e-3)
    squared = MultiScaleSTFT(windows=[64, 512], **(HOW | {"log_norm": "squared"}))
    assert float(squared(*case(x, x / 2))) == pytest.approx(2 * math.log10(2) ** 2, rel=1e-3)
    assert float(MultiScaleMel(sample_rate=16000, windows=WINDOWS, bins=BINS, **HOW)(*case(x, x))) == 0


def test_mel_is_what_torchaudio_s_spectrograms_give():
    from torchaudio.functional import melscale_fbanks, spectrogram

    x, y = noise(2, 1, 6000), noise(2, 1, 6000)
    expected = 0.0
    for window, bins in ((256, 20), (1024, 80)):
        filters = melscale_fbanks(window // 2 + 1, 0.0, 8000.0, bins, 16000, norm="slaney", mel_scale="slaney")
        a, b = (
            (
                spectrogram(
                    v[:, 0], 0, torch.hann_window(window), window, window // 4, window, 1.0, False, pad_mode="constant"
                ).transpose(1, 2)
                @ filters
            )
            for v in (x, y)
        )
        expected += float((a.clamp_min(1e-5).log10() - b.clamp_min(1e-5).log10()).abs().mean())
        expected += 0.5 * float((a - b).abs().mean())
    term = MultiScaleMel(sample_rate=16000, windows=[256, 1024], bins=[20, 80], **(HOW | {"linear_weight": 0.5}))
    assert float(term(*case(x, y))) == pytest.approx(expected, rel=1e-5)


def test_both_guards_are_what_they_say():
    x, silence = noise(1, 1, 2000), torch.zeros(1, 1, 2000)
    magnitude = torch.stft(
        x[0], 64, 16, window=torch.hann_window(64), pad_mode="constant", return_complex=True
    ).abs()  # fmt: skip
    added = MultiScaleSTFT(windows=[64], **(HOW | {"log_guard": "add", "guard": 1.0}))
    assert float(added(*case(x, silence))) == pytest.approx(float((magnitude + 1).log10().mean()), rel=1e-5)
    clamped = MultiScaleSTFT(windows=[64], **(HOW | {"guard": 0.1}))
    expected = (magnitude.clamp_min(0.1).log10() + 1).mean()
    assert float(clamped(*case(x, silence))) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    "term",
    [
        MultiScaleMel(sample_rate=16000, windows=WINDOWS, bins=BINS, **HOW),
        MultiScaleSTFT(windows=[64, 512], **(HOW | {"linear_weight": 1.0})),
        NegativeSISDR(guard=1e-5),
    ],
    ids=lambda term: type(term).__name__,
)
def test_padding_counts_neither_in_value_nor_in_gradient(term):
    x, y = noise(3, 1, 3000), noise(3, 1, 3000)
    lengths = torch.tensor([[3000], [1111], [1]])
    alone = [term(*case(x[n : n + 1, :, :m], y[n : n + 1, :, :m])) for n, (m,) in enumerate(lengths.tolist())]
    padded_x, padded_y = x.clone(), y.clone()
    for row, (length,) in enumerate(lengths.tolist()):
        padded_x[row, :, length:], padded_y[row, :, length:] = float("nan"), float("inf")
    padded_y.requires_grad_()
    value = term(*case(padded_x, padded_y, lengths))
    if isinstance(term, NegativeSISDR):
        expected = torch.stack(alone).mean()
    else:
        # A mean over frames: the windows are weighed one by one, each by the frames of its items.
        expected = sum(
            (one(*case(x[n : n + 1, :, :m], y[n : n + 1, :, :m])) * share)
            for one, hop in ((_single(term, number), window // 4) for number, window in enumerate(term.spectra.windows))
            for n, (m,) in enumerate(lengths.tolist())
            for share in [(1 + m // hop) / sum(1 + k // hop for (k,) in lengths.tolist())]
        )
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
    value.backward()
    gradient = padded_y.grad
    assert gradient is not None and bool(gradient.isfinite().all()) and bool(gradient[0].any())
    assert not gradient[1, :, 1111:].any() and not gradient[2, :, 1:].any()


def _single(term, number):
    """The same term at one of its windows."""
    how = {key: getattr(term.spectra, key) for key in HOW}
    window = [term.spectra.windows[number]]
    if term.spectra.bins is None:
        return MultiScaleSTFT(windows=window, **how)
    return MultiScaleMel(sample_rate=16000, windows=window, bins=[term.spectra.bins[number]], **how)


def test_autocast_does_not_reach_the_spectra():
    x, y = noise(1, 1, 3000), noise(1, 1, 3000)
    term = MultiScaleMel(sample_rate=16000, windows=WINDOWS, bins=BINS, **HOW)
    plain = term(*case(x, y))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(term(*case(x, y)), plain)


def test_silence_and_equality_have_finite_gradients():
    silence, x = torch.zeros(1, 1, 500), noise(1, 1, 500)
    for term in (MultiScaleMel(sample_rate=16000, windows=WINDOWS, bins=BINS, **HOW), NegativeSISDR(guard=1e-5)):
        for original, start in ((silence, silence), (silence, x), (x, silence), (x, x)):
            y = start.clone().requires_grad_()
            value = term(*case(original, y))
            value.backward()
            assert bool(value.isfinite()) and y.grad is not None and bool(y.grad.isfinite().all())


def test_si_sdr_has_its_closed_form_its_sign_and_no_scale():
    time = torch.arange(1600) / 1600
    x, error = torch.sin(2 * math.pi * 8 * time)[None, None], torch.cos(2 * math.pi * 8 * time)[None, None]
    term = NegativeSISDR(guard=1e-9)
    for share in (0.5, 0.1):
        expected = -20 * math.log10(1 / share)
        assert float(term(*case(x, x + share * error))) == pytest.approx(expected, abs=1e-3)
        assert float(term(*case(x, 7 * (x + share * error)))) == pytest.approx(expected, abs=1e-3)
    assert term(*case(x, x + 0.1 * error)) < term(*case(x, x + 0.5 * error)), "better is lower"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": []}, "windows is"),
        ({"windows": [30], "bins": [4]}, "multiples of hop"),
        ({"log_guard": "none"}, "log_guard is 'none', one of clamp, add"),
        ({"guard": 0.0}, "guard is 0.0"),
        ({"bins": [5]}, "give each window its number of mel bins"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        MultiScaleMel(**({"sample_rate": 16000, "windows": WINDOWS, "bins": BINS} | HOW | changes))


def test_pictures_are_refused():
    with pytest.raises(ValueError, match="MultiScaleSTFT looks at sounds"):
        MultiScaleSTFT(windows=[64], **HOW)(*case(noise(1, 3, 8, 8), noise(1, 3, 8, 8)))


@pytest.mark.parametrize("lengths", [None, [3000, 500, 1, 2222]])
@pytest.mark.parametrize(
    "term",
    [
        MultiScaleMel(sample_rate=16000, windows=WINDOWS, bins=BINS, **HOW),
        MultiScaleSTFT(windows=[64, 512], **(HOW | {"linear_weight": 1.0})),
        NegativeSISDR(guard=1e-5),
    ],
    ids=lambda term: type(term).__name__,
)
def test_two_processes_make_the_mean_of_one(term, lengths, monkeypatch):
    x, y = noise(4, 1, 3000).double(), noise(4, 1, 3000).double()
    valid = None if lengths is None else torch.tensor(lengths)[:, None]
    whole = term(*case(x, y, valid))
    # Shares of unequal size. Each process's counts are noted first, then each is given the sums of both.
    shares = [slice(0, 3), slice(3, 4)]
    noted: list[list[torch.Tensor]] = [[], []]
    monkeypatch.setattr("signaltok.processes.in_group", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)

    def part(rows, summed):
        monkeypatch.setattr("signaltok.processes.sum_over_group", summed)
        return term(*case(x[rows], y[rows], None if valid is None else valid[rows]))

    for number, rows in enumerate(shares):
        part(rows, lambda own, number=number: noted[number].append(own) or own)
    parts = []
    for rows in shares:
        totals = iter([a + b for a, b in zip(*noted, strict=True)])
        parts.append(part(rows, lambda own, totals=totals: next(totals)))
    torch.testing.assert_close(torch.stack(parts).mean(), whole, rtol=1e-12, atol=1e-12)
