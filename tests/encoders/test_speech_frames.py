"""Frames side by side: the spectra themselves, normalised, and no weights."""

import pytest
import torch

from signaltok.decoders.none import NoDecoder
from signaltok.encoders.speech_frames import SpeechFrames, Stacked
from signaltok.layers.extent import Extent
from signaltok.layers.log_mel import LogMel
from signaltok.quantizers.random_projection import RandomProjectionQuantizer
from signaltok.tokenizer import Tokenizer

SPECTRA = {"sample_rate": 16000, "size": 400, "transform": 512, "hop": 160, "bins": 8, "floor": 1e-8}


def frames(**changes) -> SpeechFrames:
    plain = {"axes": 1, "channels": 2, "momentum": 0.5, "frames": 4, "latent_dim": 32}
    return SpeechFrames(**SPECTRA | plain | changes)


def sound(seconds: float = 0.5) -> torch.Tensor:
    return torch.rand(1, 2, round(16000 * seconds), generator=torch.Generator().manual_seed(0)) - 0.5


def test_a_latent_is_four_normalised_frames_of_the_mean_of_the_channels():
    made = frames()
    made.train()(sound(), None)
    z = made.eval()(sound(), None)
    mel = LogMel(**SPECTRA)(sound().mean(1, keepdim=True), extent=Extent(None, None))
    normal = (mel - mel.mean(2, keepdim=True)) / (mel.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
    assert z.shape == (1, 32, 13) and mel.shape[2] == 50
    for cell in range(12):
        for place in range(4):
            torch.testing.assert_close(
                z[0, 8 * place : 8 * place + 8, cell], normal[0, :, 4 * cell + place], atol=1e-4, rtol=1e-4
            )
    assert not bool(z[0, 16:, 12].any()), "beyond the last frame stand zeros"
    assert made.stride == (640,) and not list(made.parameters())


def test_a_tokenizer_without_weights_is_used_and_saved_as_others_are(tmp_path):
    tokenizer = Tokenizer(
        encoder=frames(channels=1), decoder=NoDecoder(axes=1, channels=1, stride=640, latent_dim=32, tokens=None),
        quantizer=RandomProjectionQuantizer(
            latent_dim=32, num_codebooks=1, codebook_size=64, codebook_dim=4, seed=0
        ),
        value_range=(-1.0, 1.0), block=6400, sample_rate=16000,
    )  # fmt: skip
    tokenizer.train()(sound()[:, :1])
    tokenizer.eval()
    assert tokenizer.device == torch.device("cpu")
    tokenizer.save(tmp_path / "out")
    from signaltok import load

    codes = tokenizer.encode(sound(1.7)[:, :1]).levels[0]
    assert torch.equal(load(tmp_path / "out").encode(sound(1.7)[:, :1]).levels[0], codes)
    assert len(codes.unique()) > 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": 2}, "axes is 2, but spectra of speech go over one"),
        ({"latent_dim": 30}, "latent_dim is 30, but 8 bins of 4 frames are 32 numbers"),
    ],
)
def test_impossible_values_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        frames(**changes)
    with pytest.raises(ValueError, match="count is 0; it is how many frames"):
        Stacked(count=0)
