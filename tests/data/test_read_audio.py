import numpy as np
import pytest
import torch
from sound_files import SPEECH, bad_files, tone, write

import signaltok
from signaltok.data import read_audio as audio
from signaltok.data.audio_file import read_header, read_stretch
from signaltok.data.read_audio import RESAMPLING, read_audio, read_segment, resample, resampled_length

PROMPT = SPEECH / "basic-pbx-ivr-main.g722"


def test_the_package_exports_it():
    assert signaltok.read_audio is read_audio


def test_g722_is_what_pyav_decodes():
    import av

    with av.open(str(PROMPT), format="g722") as file:
        whole = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)
    found = read_audio(PROMPT)
    assert found.shape == (1, read_header(PROMPT).length) == whole.shape
    np.testing.assert_array_equal(found.numpy(), whole.astype(np.float32) / 32768)


@pytest.mark.parametrize(("start", "stop"), [(0, 16000), (101_001, 117_002), (300_000, 300_001), (406_000, 406_268)])
def test_a_stretch_of_g722_is_a_stretch_of_the_whole_to_the_bit(start, stop):
    header = read_header(PROMPT)
    assert torch.equal(read_segment(PROMPT, header, 16000, 1, start, stop), read_audio(PROMPT)[:, start:stop])


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "opus"])
def test_a_stretch_of_any_file_is_a_stretch_of_the_whole(tmp_path, ending):
    rate = 48000 if ending == "opus" else 22050
    how = {"format": "OGG", "subtype": "OPUS"} if ending == "opus" else {}
    path = write(tmp_path / f"sound.{ending}", tone(8, rate, channels=2), rate, **how)
    header, whole = read_header(path), read_audio(path)
    assert whole.shape == (2, header.length) and header.sample_rate == rate
    for start, stop in ((0, 1000), (80_000, 90_000), (header.length - 500, header.length)):
        found = read_segment(path, header, rate, None, start, stop)
        assert torch.allclose(found, whole[:, start:stop], atol=1e-6), (start, stop)


@pytest.mark.parametrize("rate", [8000, 24000, 22050, 44100])
def test_a_stretch_of_a_resampled_file_is_one_of_the_resampled_whole(rate):
    header = read_header(PROMPT)
    whole = resample(read_stretch(PROMPT, 0, header.length), 16000, rate).clamp(-1, 1)
    length = resampled_length(header, rate)
    assert whole.shape[1] == length == -(-header.length * rate // 16000)
    assert torch.allclose(read_audio(PROMPT, sample_rate=rate), whole, atol=1e-6)
    for start, stop in ((0, 4000), (100_001, 104_002), (length - 300, length)):
        assert torch.allclose(read_segment(PROMPT, header, rate, 1, start, stop), whole[:, start:stop], atol=1e-6)


def test_resampling_keeps_a_tone_and_removes_what_cannot_be_kept():
    low, high = (torch.from_numpy(np.sin(2 * np.pi * f * np.arange(24000) / 24000)).float()[None] for f in (1000, 9000))
    expected = torch.from_numpy(np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).float()
    assert (resample(low, 24000, 16000)[0, 200:-200] - expected[200:-200]).abs().max() < 1e-3
    assert resample(high, 24000, 16000)[0, 200:-200].abs().max() < 1e-3
    assert RESAMPLING["lowpass_filter_width"] == 64


@pytest.mark.parametrize(("old", "new"), [(16000, 24000), (44100, 16000), (48000, 16000), (16000, 44100)])
@pytest.mark.parametrize("piece", [1, 700, 20_000])
def test_resampling_in_pieces_is_resampling_the_whole_to_the_bit(monkeypatch, old, new, piece):
    from torchaudio.functional import resample as of_the_whole

    signal = torch.randn(2, 9001)
    whole = of_the_whole(signal, old, new, **RESAMPLING)
    monkeypatch.setattr(audio, "PIECE", piece)
    assert torch.equal(resample(signal, old, new), whole)


def test_channels_are_averaged_or_repeated(tmp_path):
    samples = tone(0.2, 16000, channels=2)
    stereo = write(tmp_path / "stereo.wav", samples, subtype="FLOAT")
    mono = write(tmp_path / "mono.wav", samples[:, :1], subtype="FLOAT")
    assert torch.allclose(read_audio(stereo, channels=1)[0], torch.from_numpy(samples.mean(1)))
    assert torch.equal(read_audio(mono, channels=2), torch.from_numpy(samples[:, :1].T).expand(2, -1))
    three = write(tmp_path / "three.wav", tone(0.2, 16000, channels=3))
    with pytest.raises(ValueError, match=r"three\.wav has 3 channels, and 2 are wanted"):
        read_audio(three, channels=2)


def test_what_is_louder_than_full_scale_is_clipped(tmp_path):
    path = write(tmp_path / "loud.wav", np.array([0.5, 1.5, -3.0], np.float32), subtype="FLOAT")
    assert read_audio(path).tolist() == [[0.5, 1.0, -1.0]]


def test_one_sample_is_a_sound(tmp_path):
    path = write(tmp_path / "one.wav", np.array([0.25], np.float32), subtype="FLOAT")
    assert read_audio(path).tolist() == [[0.25]]
    assert read_audio(path, sample_rate=24000).shape == (1, 2)


def test_what_cannot_be_read_is_named_with_its_reason(tmp_path):
    for name, reason in bad_files(tmp_path).items():
        if name == "cut.wav":
            continue  # libsndfile mends the length of a cut wav by itself
        with pytest.raises(ValueError, match=reason) as raised:
            read_audio(tmp_path / name)
        assert str(raised.value).startswith(f"cannot read {tmp_path / name}: "), name


def test_an_hour_is_read_by_the_stretch(tmp_path):
    length = 3600 * 16000
    path = tmp_path / "hour.wav"
    write(path, np.zeros(8, np.int16))
    header = bytearray(path.read_bytes()[:44])
    header[4:8], header[40:44] = (36 + 2 * length).to_bytes(4, "little"), (2 * length).to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + 2 * length - 2)
        file.seek(0, 2)
        file.write((16384).to_bytes(2, "little"))
    found = read_header(path)
    assert found.length == length
    assert read_segment(path, found, 16000, 1, length - 2, length).tolist() == [[0.0, 0.5]]
