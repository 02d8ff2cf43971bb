import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from signaltok.metrics.evaluation import Evaluation
from signaltok.metrics.kept import Sounds
from signaltok.reports.figures import level_rows
from signaltok.reports.page import write_report
from signaltok.reports.pictures import code_colours
from signaltok.reports.samples import save_samples
from signaltok.reports.sounds import (
    HEIGHT,
    WIDTH,
    ratio_decibel,
    read_sounds,
    spectrogram_sheet,
    spectrograms,
    token_map,
)

RATE = 8000


def sounds(count=3, codes=True):
    time = torch.arange(4000) / RATE
    originals = tuple(
        0.5 * torch.sin(2 * torch.pi * (500 + 500 * n) * time)[None, : 3000 + 500 * n] for n in range(count)
    )
    levels = (torch.arange(20) % 7, torch.arange(5)) if codes else ()
    return Sounds(
        originals=originals,
        reconstructions=tuple(x + 0.005 * torch.cos(2 * torch.pi * 1234 * time[: x.shape[1]]) for x in originals),
        codes=(levels,) * count,
        keys=tuple(f"sub/{n}.wav" for n in range(count)),
        sample_rate=RATE,
    )


@pytest.fixture
def run(tmp_path):
    evaluation = Evaluation(
        values={}, counts=(torch.arange(1, 8), torch.ones(5).long()), pictures=None, sounds=sounds()
    )
    save_samples(tmp_path, evaluation)
    figures = {"test/si_sdr": 12.3, "test/bitrate": 1500.0, "test/usage": 1.0, "test/stoi": 0.9}
    (tmp_path / "summary.json").write_text(json.dumps(figures))
    return tmp_path


def test_samples_hold_sound_files_codes_and_spectrograms(run):
    folder = run / "samples"
    names = {path.name for path in folder.iterdir()}
    files = {f"{n:02d}_{kind}.flac" for n in range(3) for kind in ("original", "reconstruction")}
    assert names == files | {"codes.safetensors", "spectrograms.png", "usage.png"}
    found, rate = soundfile.read(folder / "01_original.flac", dtype="float32")
    assert rate == RATE and np.abs(found - sounds().originals[1][0].numpy()).max() <= 1 / 32768
    codes = load_file(folder / "codes.safetensors")
    assert codes.keys() == {f"codes.{n:02d}.{level}" for n in range(3) for level in (0, 1)}


def test_what_is_written_is_read_again(run):
    found = read_sounds(run / "samples")
    assert [sound.name for sound in found] == ["00", "01", "02"] and read_sounds(run) == []
    assert found[2].original.shape == (4000, 1) and [len(level) for level in found[0].codes] == [20, 5]
    (run / "samples" / "01_reconstruction.flac").unlink()
    with pytest.raises(ValueError, match=r"there is no .*01_reconstruction\.flac"):
        read_sounds(run / "samples")
    (run / "samples" / "00_original.flac").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"00_original\.flac is damaged"):
        read_sounds(run / "samples")


def test_the_page_plays_the_files_and_shows_pictures_of_them(run):
    text = write_report(run).read_text(encoding="utf-8")
    players = re.findall(r'<audio controls[^>]*src="data:audio/flac;base64,([^"]+)"', text)
    assert len(players) == 6
    assert base64.b64decode(players[0]) == (run / "samples" / "00_original.flac").read_bytes()
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(players[5])))
    assert rate == RATE and len(samples) == 4000
    assert text.count('alt="spectrogram of the') == 6 and text.count('alt="tokens over time"') == 3
    assert not re.search(r'src="(?!data:)', text)
    assert "SI-SDR" in text and "1.500 <small>kb/s" in text and "bits per pixel" not in text


def test_levels_that_were_asked_for_are_a_table_and_curves(run):
    curve = {"1": {"bitrate": 500.0, "si_sdr": -1.0}, "2": {"bitrate": 1000.0, "si_sdr": 4.0}}
    (run / "levels.json").write_text(json.dumps({"split": "test", "levels": curve}))
    text = write_report(run).read_text(encoding="utf-8")
    assert "By number of levels" in text and "levels, test" in text and "4.00" in text
    assert text.index("By number of levels") < text.index("Originals and reconstructions")
    rows = level_rows({int(count): values for count, values in curve.items()})
    assert rows == [("SI-SDR", "dB", ["-1.00", "4.00"]), ("bitrate", "kb/s", ["0.500", "1.000"])]


def test_a_tone_is_a_line_at_its_frequency():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)[:, None].astype(np.float32)
    picture, silent = spectrograms([tone, np.zeros_like(tone)])
    assert picture.shape == (HEIGHT, WIDTH, 3)
    row = int(picture[:, WIDTH // 2].astype(int).sum(1).argmax())
    assert row == pytest.approx(HEIGHT * (1 - 1000 / 4000), abs=2), "frequency goes upwards from 0"
    assert (silent == silent[0, 0]).all(), "both are on the original's scale"


def test_levels_of_a_token_map_are_stretched_to_the_finest():
    fine, coarse = np.arange(4), np.array([9, 8])
    expected = code_colours(np.array([[0, 1, 2, 3], [9, 9, 8, 8]]))
    np.testing.assert_array_equal(token_map([fine, coarse]), expected)
    assert token_map([]) is None


def test_the_sheet_has_a_row_a_sound():
    assert spectrogram_sheet(sounds(), limit=2).shape == (2 * HEIGHT + 4, 2 * WIDTH + 4, 3)


def test_the_caption_s_ratio_is_si_sdr():
    x = np.sin(np.arange(1000.0))[:, None]
    error = np.cos(np.arange(1000.0))[:, None]
    assert ratio_decibel(x, 3 * (x + 0.1 * error)) == pytest.approx(20, abs=0.1)
    assert ratio_decibel(x, x) is None and ratio_decibel(0 * x, x) is None
