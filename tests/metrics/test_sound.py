import math

import pytest
import torch

from signaltok.metrics.sound import LogMelDistance, ScaleInvariantRatio, STFTDistance
from signaltok.metrics.speech_quality import ObjectiveListener, PerceptualSpeechQuality, ShortTimeIntelligibility

RANGE = (-1.0, 1.0)


def prompt(name="vm-goodbye.g722"):
    from pathlib import Path

    from signaltok.data.read_audio import read_audio

    return read_audio(Path(__file__).parents[2] / "data" / "speech" / name)[None]


def tones():
    time = torch.arange(1600) / 1600
    return (wave(2 * math.pi * 8 * time)[None, None] for wave in (torch.sin, torch.cos))


def test_si_sdr_is_in_decibel_and_more_is_better_at_any_scale():
    x, error = tones()
    metric = ScaleInvariantRatio()
    for share, scale in ((0.1, 1.0), (0.1, 0.01), (0.5, 1.0), (0.5, -3.0)):
        found = metric.measure(x, scale * (x + share * error), RANGE, None)
        assert float(found) == pytest.approx(20 * math.log10(1 / share), abs=1e-4)


def test_si_sdr_agrees_with_torchmetrics():
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    x, y = torch.rand(3, 1, 900) - 0.5, torch.rand(3, 1, 900) - 0.5
    expected = scale_invariant_signal_distortion_ratio(y[:, 0].double(), x[:, 0].double())
    torch.testing.assert_close(ScaleInvariantRatio().measure(x, y, RANGE, None), expected, rtol=1e-6, atol=1e-6)


def test_si_sdr_stays_finite_and_says_where_it_cannot_be_said():
    x, other = tones()
    metric, silence = ScaleInvariantRatio(), torch.zeros(1, 1, 1600)
    assert float(metric.measure(x, x, RANGE, None)) == 100
    assert float(metric.measure(x, silence, RANGE, None)) == -100
    assert bool(metric.measure(silence, x, RANGE, None).isnan())
    assert float(metric.measure(x, other, RANGE, None)) < -60


def test_log_mel_distance_is_the_sum_over_seven_windows():
    x = prompt()
    assert float(LogMelDistance(sample_rate=16000).measure(x, x, RANGE, None)) == 0
    loud = (torch.rand(1, 1, 8000) - 0.5) * 2
    halved = LogMelDistance(sample_rate=16000).measure(loud, loud / 2, RANGE, None)
    # Every bin that is not empty differs by log10 2; at the largest windows a few of the filters are.
    assert 6 * math.log10(2) < float(halved) <= 7 * math.log10(2) + 1e-9


def test_stft_distance_has_a_linear_and_a_logarithmic_part():
    x = (torch.rand(1, 1, 8000) - 0.5) * 2
    y = torch.zeros_like(x)
    expected = 0.0
    for window in (2048, 512):
        magnitude = torch.stft(
            x[0].double(), window, window // 4, window=torch.hann_window(window).double(), pad_mode="constant",
            return_complex=True,
        ).abs()  # fmt: skip
        expected += float(magnitude.mean() + (magnitude.clamp_min(1e-5).log10() + 5).mean())
    assert float(STFTDistance().measure(x, y, RANGE, None)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("metric", [ScaleInvariantRatio(), LogMelDistance(sample_rate=16000), STFTDistance()])
def test_padding_is_not_measured(metric):
    x, y = torch.rand(2, 2, 3000) - 0.5, torch.rand(2, 2, 3000) - 0.5
    lengths = torch.tensor([[3000], [701]])
    both = metric.measure(x, y, RANGE, lengths)
    assert both[0] == metric.measure(x[:1], y[:1], RANGE, None)[0]
    assert both[1] == metric.measure(x[1:, :, :701], y[1:, :, :701], RANGE, None)[0]
    assert both.dtype == torch.float64


def test_the_words_say_the_settings():
    words = LogMelDistance(sample_rate=16000).words()
    assert "32/64/128/256/512/1024/2048" in words and "5/10/20/40/80/160/320 mel bins" in words and "1e-05" in words


MEASURES = {
    "pystoi": lambda: ShortTimeIntelligibility(sample_rate=16000),
    "pesq": lambda: PerceptualSpeechQuality(sample_rate=16000),
    "visqol": lambda: ObjectiveListener(sample_rate=16000, mode="speech"),
}


def measure(package):
    if package == "pesq":
        pytest.importorskip("pesq", reason="it compiles from source and is not part of the extra `all`")
    return MEASURES[package]()


@pytest.mark.parametrize(("package", "best"), [("pystoi", 1.0), ("pesq", 4.6), ("visqol", 5.0)])
def test_speech_measures_fall_with_noise_and_leave_out_what_is_too_short(package, best):
    metric = measure(package)
    x = prompt("vm-incorrect-mailbox.g722")[:, :, :32000]
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    values = [float(metric.measure(x, (x + level * noise).clamp(-1, 1), RANGE, None)) for level in (0.0, 0.02, 0.3)]
    assert values[0] == pytest.approx(best, abs=0.1) and values[0] > values[1] > values[2]
    both = metric.measure(x.repeat(2, 1, 1), x.repeat(2, 1, 1), RANGE, torch.tensor([[32000], [800]]))
    assert float(both[0]) == pytest.approx(values[0]) and bool(both[1].isnan())


@pytest.mark.parametrize("package", ["pystoi", "pesq"])
def test_silence_has_no_quality(package):
    silence = torch.zeros(1, 1, 16000)
    assert bool(measure(package).measure(silence, silence, RANGE, None).isnan())


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package pesq: pip install 'signaltok\[pesq\]'"):
        PerceptualSpeechQuality(sample_rate=16000)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="mode is 'music'"):
        ObjectiveListener(sample_rate=16000, mode="music")
