"""A video with its sound: both tokenized, interleaved by time into one document, and put together again in time."""

import json

import numpy as np
import pytest
import torch

from signaltok.cli.main import main
from signaltok.data.read_video import read_video
from signaltok.data.video_sound import read_sound
from signaltok.data.write_video import write_video
from signaltok.decoders.conv import ConvDecoder
from signaltok.decoders.frames import FramesDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.frames import FramesEncoder
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.tokenizer import Tokenizer

RATE, FRAMES, FLASH = 8000, 36, 20


def plain(axes: int, channels: int) -> tuple[ConvEncoder, ConvDecoder]:
    """Networks that pass a signal as it is, so that codes say nearly all of it without training."""
    shape = {"axes": axes, "channels": channels, "stride": 1, "widths": [channels], "depth": 0, "latent_dim": channels}
    parts = ConvEncoder(**shape), ConvDecoder(**shape)
    with torch.no_grad():
        for part in parts:
            for layer in (part.stem, part.project):
                torch.nn.init.zeros_(layer.bias)
                torch.nn.init.dirac_(layer.weight)
    return parts


def tokenizer(encoder, decoder, rate: int, block: int) -> Tokenizer:
    levels = [17] * encoder.latent_dim
    return Tokenizer(
        encoder=encoder,
        quantizer=FiniteScalarQuantizer(latent_dim=len(levels), levels=levels, estimator=StraightThrough()),
        decoder=decoder,
        value_range=(-1.0, 1.0),
        block=block,
        sample_rate=rate,
    ).eval()


@pytest.fixture
def places(tmp_path):
    """A tokenizer of frames, one of sounds, a clip with a flash and a click, and one without sound."""
    encoder, decoder = plain(2, 3)
    shape = {"axes": 3, "channels": 3, "latent_dim": 3}
    frames = FramesEncoder(**shape, pictures=encoder), FramesDecoder(**shape, pictures=decoder)
    tokenizer(*frames, 12, 16).save(tmp_path / "frames")
    tokenizer(*plain(1, 1), RATE, 4096).save(tmp_path / "sounds")
    pictures = np.full((FRAMES, 12, 16, 3), 40, np.uint8)
    pictures[FLASH] = 230
    sound = np.zeros((1, FRAMES * RATE // 12), np.float32)
    click = FLASH * RATE // 12
    sound[0, click : click + 30] = 0.9
    (tmp_path / "clips").mkdir()
    write_video(pictures, 12, tmp_path / "clips/flash.mkv", lossless=True, sound=(sound, RATE))
    write_video(pictures[:5], 12, tmp_path / "clips/mute.mkv", lossless=True)
    return tmp_path


def go(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def test_sound_and_pictures_are_one_document_and_one_file_in_sync(places, capsys):
    for name in ("frames", "sounds"):
        go("tokenize", places / name, places / "clips", "--out", places / f"{name}_tokens")
    assert "could not read mute.mkv: it has no sound track" in capsys.readouterr().err
    stores = places / "frames_tokens", places / "sounds_tokens"
    go("stream", *stores, "--out", places / "data", "--format", "parquet", "--interleave")
    assert "train: 2 documents" in capsys.readouterr().out
    told = json.loads((places / "data/vocab.json").read_text())
    assert [stream["time_stamps"] for stream in told["streams"]] == [True, False]

    go("detokenize", places / "frames", stores[0], "--out", places / "back", "--sound", places / "sounds", stores[1])
    assert "2 videos in" in (out := capsys.readouterr().out) and "1 without sound, which had no tokens" in out
    back = places / "back/flash.mp4"
    flash = int(read_video(back, frame_rate=12).mean((0, 2, 3)).argmax())
    click = int(read_sound(back, RATE, 1)[0].abs().argmax())
    assert flash == FLASH and abs(click / RATE - flash / 12) < 1 / 12
    assert read_video(places / "back/mute.mp4").shape == (3, 5, 12, 16)


def test_codes_of_a_frame_are_those_of_the_picture(places):
    import signaltok

    model, clip = signaltok.load(places / "frames"), read_video(places / "clips/mute.mkv")
    codes = model.encode(clip[None]).levels[0]
    for number, frame in enumerate(clip.unbind(1)):
        assert torch.equal(
            model.quantizer.encode(model.encoder.pictures(frame[None].contiguous(), None))[0], codes[:, number]
        )


def test_what_is_refused(places, tmp_path):
    go("tokenize", places / "sounds", places / "clips", "--out", tmp_path / "tokens")
    command = ["detokenize", places / "sounds", tmp_path / "tokens", "--out", tmp_path / "back", "--sound"]
    for tokenizer_of in ("sounds", "frames"):
        assert main([str(word) for word in [*command, places / tokenizer_of, tmp_path / "tokens"]]) != 0
    (tmp_path / "x.txt").write_text("no video")
    assert main(["tokenize", str(places / "frames"), str(tmp_path / "x.txt"), "--out", str(tmp_path / "t")]) != 0
