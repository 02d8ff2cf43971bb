"""The locked network of pictures: its features, what of it learns, sizes, export, and bad values."""

import pytest
import torch
from torch.nn import functional as F

import signaltok
from signaltok.data.read_image import read_image
from signaltok.decoders.none import NoDecoder
from signaltok.encoders.imagenet import ImageNetEncoder
from signaltok.encoders.pooled import PooledEncoder
from signaltok.features import pooled_features
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def pictures(photos):
    return torch.stack([read_image(path)[:, :64, :64] for path in sorted(photos.glob("*.jpg"))[:3]])


def encoder(**changes) -> ImageNetEncoder:
    return ImageNetEncoder(**({"channels": 3, "stride": 16, "momentum": 1.0} | changes))


def test_the_features_are_those_of_the_enlarged_picture_standardised(pictures):
    part = encoder().train()
    found = part(pictures, None)
    assert found.shape == (3, 1280, 4, 4)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(1280), atol=1e-4, rtol=0)
    large = F.interpolate(pictures, scale_factor=2, mode="bicubic").clamp(-1, 1)
    mean, deviation = part.norm.mean[:, None, None], (part.norm.variance + 1e-5).sqrt()[:, None, None]
    restored = (found * deviation + mean).mean((2, 3))
    torch.testing.assert_close(restored, pooled_features((large + 1) / 2), rtol=1e-3, atol=1e-4)


def test_nothing_of_it_is_a_parameter_and_training_moves_the_mean_and_variance_alone(pictures):
    part = encoder()
    before = {name: value.clone() for name, value in part.state_dict().items()}
    part.train()(pictures, None)
    assert not list(part.parameters())
    moved = {name for name, value in part.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"norm.mean", "norm.variance", "norm.steps"}


def test_pictures_of_different_sizes_are_what_they_are_alone(pictures):
    part = encoder()
    part.train()(pictures, None)
    lengths = torch.tensor([[64, 64], [20, 48]])
    together = part.eval()(pictures[:2], lengths)
    torch.testing.assert_close(together[1:, :, :2, :3], part(pictures[1:2, :, :20, :48], None))


def test_what_is_exported_has_the_network(pictures, tmp_path):
    features = encoder()
    pooled = PooledEncoder(axes=2, features=features, latent_dim=4, tokens=1, spherical=True)
    tokenizer = Tokenizer(
        encoder=pooled, quantizer=IdentityQuantizer(latent_dim=4),
        decoder=NoDecoder(axes=2, channels=3, stride=16, latent_dim=4, tokens=1), value_range=(-1.0, 1.0), block=64,
        sample_rate=None,
    ).eval()  # fmt: skip
    stem = features.network._conv_stem
    stem.weight.mul_(1.5)  # not the package's any more
    tokenizer.save(tmp_path / "tokenizer")
    loaded = signaltok.load(tmp_path / "tokenizer")
    assert torch.equal(loaded.encoder.features.network._conv_stem.weight, stem.weight)
    assert torch.equal(loaded.embed(pictures), tokenizer.embed(pictures))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"channels": 1}, "channels is 1, but the network has learned from pictures of 3"),
     ({"stride": 12}, "stride is 12; it must divide"), ({"stride": 0}, "stride is 0")],
)  # fmt: skip
def test_bad_values_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        encoder(**changes)
