"""A run on the film: from the experiment's file to clips that play, page, export, tokens and back."""

import math

import av
import pytest
import torch
from tiny_runs import VIDEO, composed

import signaltok
from signaltok.cli.main import main
from signaltok.data.write_video import write_video
from signaltok.training.config.resolve import plain
from signaltok.training.run import run

FILM = "data/video/big_buck_bunny.mp4"


def test_a_run_shows_clips_and_its_tokenizer_turns_files_into_tokens_and_back(tmp_path, capsys):
    places = (f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}", "paths.root_dir=.")
    settings = plain(composed("experiment=video_causal", *VIDEO, *places))
    figures = run(settings, command=["python", "train.py"], overrides=[])
    folder = tmp_path / "run"
    for name in ("psnr", "ssim", "motion_psnr", "usage", "bitrate", "effective_bitrate", "tokens_per_second"):
        assert math.isfinite(figures[f"test/{name}"]), name
    # Two clips of 6 frames at 12 a second, each 1 + ceil(5 / 4) = 3 cells of 12 x 20 tokens.
    assert figures["test/tokens_per_second"] == pytest.approx(3 * 12 * 20 * 12 / 6)
    assert figures["test/bitrate"] == pytest.approx(figures["test/tokens_per_second"] * math.log2(1000))
    assert sorted(path.name for path in (folder / "samples").glob("*.mp4")) == ["00.mp4", "01.mp4"]
    with av.open(str(folder / "samples/00.mp4")) as shown:
        assert sum(1 for _ in shown.decode(video=0)) == 6
    assert "<video controls" in (folder / "report.html").read_text()

    assert main(["export", str(folder), str(tmp_path / "exported")]) == 0
    tokenizer = signaltok.load(tmp_path / "exported")
    assert tokenizer.sample_rate == 12 and tokenizer.lead == (3, 0, 0)
    assert (tmp_path / "exported/samples/00.mp4").is_file()

    clip = signaltok.read_video(FILM, frame_rate=12, start=40, seconds=0.9, resize=33)
    pixels = ((clip + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 3, 0).numpy()
    (tmp_path / "clips").mkdir()
    write_video(pixels, 12, tmp_path / "clips/bunny.mkv", lossless=True)
    store = tmp_path / "tokens"
    assert main(["tokenize", str(tmp_path / "exported"), str(tmp_path / "clips/bunny.mkv"), "--out", str(store)]) == 0
    assert main(["inspect", str(store), "--verify"]) == 0
    assert "1 files encoded again, all codes equal" in capsys.readouterr().out
    assert main(["detokenize", str(tmp_path / "exported"), str(store), "--out", str(tmp_path / "back")]) == 0
    back = signaltok.read_video(tmp_path / "back/bunny.mp4")
    assert back.shape == clip.shape == (3, 11, 33, 59)
    expected = tokenizer.decode(tokenizer.encode(clip[None]))[0].clamp(-1, 1)
    assert (back - expected).abs().mean() < 0.05
