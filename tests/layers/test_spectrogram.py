"""Spectrograms against torchaudio's own, and items of a padded batch against the items alone."""

import math

import pytest
import torch

from signaltok.layers.spectrogram import frames_of, magnitudes, mel, mel_filters


@pytest.mark.parametrize(("rate", "window", "bins"), [(16000, 2048, 320), (24000, 1024, 80), (44100, 512, 40)])
def test_mel_filters_are_torchaudio_s(rate, window, bins):
    from torchaudio.functional import melscale_fbanks

    expected = melscale_fbanks(window // 2 + 1, 0.0, rate / 2, bins, rate, norm="slaney", mel_scale="slaney")
    assert torch.allclose(mel_filters(rate, window, bins).float(), expected.T, atol=1e-5)


@pytest.mark.parametrize(("window", "hop"), [(32, 8), (512, 100), (2048, 512)])
def test_magnitudes_are_torch_s(window, hop):
    signal = torch.rand(2, 1, 4001) - 0.5
    expected = torch.stft(
        signal[:, 0], window, hop, window=torch.hann_window(window), pad_mode="constant", return_complex=True
    ).abs()
    assert torch.equal(magnitudes(signal, window, hop)[:, 0], expected)


def test_a_tone_has_the_magnitude_of_its_amplitude():
    time = torch.arange(16000, dtype=torch.float64) / 16000
    tone = 0.5 * torch.sin(2 * math.pi * 1000 * time)[None, None]
    found = magnitudes(tone, 512, 128)
    assert found.shape == (1, 1, 257, 126)
    # Bin 32 of 512 at 16 kHz is 1 kHz; a Hann window sums to half its length, of which a real tone has half.
    assert torch.allclose(found[0, 0, 32, 4:-4], torch.tensor(0.5 * 512 / 4, dtype=torch.float64))


def test_frames_of_a_padded_item_are_those_of_the_item_alone():
    signal = torch.rand(2, 1, 1000) * 2 - 1
    signal[1, :, 610:] = 0
    for window in (32, 512, 2048):
        both, alone = magnitudes(signal, window, window // 4), magnitudes(signal[1:, :, :610], window, window // 4)
        frames = int(frames_of(torch.tensor([610]), window // 4))
        assert alone.shape[3] == frames
        assert torch.allclose(both[1:, :, :, :frames], alone, atol=1e-6)


def test_autocast_does_not_reach_in():
    signal = torch.rand(1, 1, 400) - 0.5
    plain = mel(magnitudes(signal, 64, 16), 16000, 10)
    with torch.autocast("cpu", torch.bfloat16):
        under = mel(magnitudes(signal.bfloat16().float(), 64, 16), 16000, 10)
        assert torch.equal(mel(magnitudes(signal, 64, 16), 16000, 10), plain)
    assert under.dtype == torch.float32


def test_float64_stays():
    assert mel(magnitudes(torch.rand(1, 1, 400, dtype=torch.float64), 64, 16), 16000, 10).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_filters_that_evaluation_was_first_to_need_serve_training(dtype):
    with torch.inference_mode():
        mel(magnitudes(torch.rand(1, 1, 400, dtype=dtype), 64, 16), 12345, 10)
    signal = torch.rand(1, 1, 400, dtype=dtype, requires_grad=True)
    mel(magnitudes(signal, 64, 16), 12345, 10).sum().backward()
    assert signal.grad is not None and signal.grad.abs().sum() > 0
