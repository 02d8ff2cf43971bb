"""The locked network of pictures: its features, what of it learns, sizes, export, and bad values."""

import pytest
import torch
from torch.nn import functional as F

import signaltok
from signaltok.data.read_image import read_image
from signaltok.decoders.none import NoDecoder
from signaltok.encoders.imagenet import ImageNetEncoder
from signaltok.encoders.pooled import PooledEncoder
from signaltok.features import pooled_features, stage_features
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def pictures(photos):
    return torch.stack([read_image(path)[:, :64, :64] for path in sorted(photos.glob("*.jpg"))[:3]])


def encoder(**changes) -> ImageNetEncoder:
    return ImageNetEncoder(**({"channels": 3, "stride": 16, "blocks": [], "momentum": 1.0} | changes))


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


def test_earlier_blocks_give_their_mean_over_each_cell(pictures):
    plain, deep = encoder().eval(), encoder(blocks=[4, 10]).eval()
    found = deep(pictures, None)
    assert found.shape == (3, deep.latent_dim, 4, 4) and deep.latent_dim == 1280 + 40 + 112
    torch.testing.assert_close(found[:, :1280], plain(pictures, None))
    large = F.interpolate(pictures, scale_factor=2, mode="bicubic").clamp(-1, 1)
    at = 1280
    for features in stage_features((large + 1) / 2, (4, 10)):  # new parts standardise by mean 0 and variance 1
        side, width = features.shape[2] // 4, features.shape[1]
        expected = features[:, :, side : 2 * side, 2 * side : 3 * side].mean((2, 3))
        torch.testing.assert_close(found[:, at : at + width, 1, 2], expected, rtol=1e-4, atol=1e-4)
        at += width


def test_many_pictures_are_what_they_are_a_few_at_a_time(pictures):
    part = encoder(blocks=[4]).eval()
    many = pictures.repeat(7, 1, 1, 1)
    torch.testing.assert_close(part(many, None), part(pictures, None).repeat(7, 1, 1, 1), rtol=1e-4, atol=1e-4)


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
     ({"stride": 12}, "stride is 12; it must divide"), ({"stride": 0}, "stride is 0"),
     ({"blocks": [4, 4]}, r"blocks is \[4, 4\]; give rising numbers from 0 to 15"),
     ({"blocks": [16]}, r"blocks is \[16\]")],
)  # fmt: skip
def test_bad_values_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        encoder(**changes)
