import pytest
import torch
from torchmetrics.functional.image.lpips import _LPIPS

from signaltok.data.read_image import read_image
from signaltok.features import stage_features
from signaltok.objectives.perceptual import EfficientNetPerceptual, LearnedPerceptualSimilarity
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction


def case(photos, lengths=None, noise=0.2):
    signal = torch.stack([read_image(name)[:, 100:148, 200:264] for name in sorted(photos.glob("*.jpg"))[:2]])
    decoded = (signal + noise * torch.randn(signal.shape)).clamp(-1, 1).requires_grad_()
    batch = Batch(signal=signal, keys=("a", "b"), lengths=None if lengths is None else torch.tensor(lengths))
    latent = torch.zeros(2, 4, 1, 1)
    return batch, Reconstruction(signal=decoded, quantized=Quantized(z_q=latent, codes=(), losses={}), latent=latent)


def term(**changes):
    return EfficientNetPerceptual(**{"value_range": [-1.0, 1.0], "blocks": [0, 2, 4]} | changes)


def test_it_is_the_squared_distance_of_unit_features(photos):
    batch, result = case(photos)
    value = term(blocks=[2, 4])(batch, result)
    expected = 0.0
    for block in (2, 4):
        a, b = (stage_features((s.detach() + 1) / 2, (block,))[0] for s in (batch.signal, result.signal))
        a, b = (f / (f.square().sum(1, keepdim=True) + 1e-8).sqrt() for f in (a, b))
        expected += float((a - b).square().sum(1).mean()) / 2
    assert float(value.detach()) == pytest.approx(expected, rel=1e-5)
    value.backward()
    assert result.signal.grad is not None and bool(result.signal.grad.any())


def test_equal_pictures_have_distance_zero_and_a_finite_gradient(photos):
    batch, result = case(photos, noise=0.0)
    value = term()(batch, result)
    assert float(value.detach()) == 0.0
    value.backward()
    assert bool(result.signal.grad.isfinite().all())


def test_more_noise_is_further_away(photos):
    values = []
    for noise in (0.05, 0.1, 0.3):
        torch.manual_seed(1)
        values.append(float(term()(*case(photos, noise=noise)).detach()))
    assert values == sorted(values) and values[0] > 0


def test_padding_is_left_out(photos):
    batch, result = case(photos, lengths=[[48, 64], [40, 36]])
    batch.signal[1, :, 40:], batch.signal[1, :, :, 36:] = float("nan"), float("inf")
    parts = []
    for item, (h, w) in enumerate([(48, 64), (40, 36)]):
        cut = (slice(item, item + 1), slice(None), slice(h), slice(w))
        alone = Reconstruction(
            signal=result.signal[cut],
            quantized=Quantized(z_q=result.latent[:1], codes=(), losses={}),
            latent=result.latent[:1],
        )
        parts.append(float(term()(Batch(signal=batch.signal[cut], keys=("x",)), alone).detach()))
    value = term()(batch, result)
    assert float(value.detach()) == pytest.approx(sum(parts) / 2, rel=1e-5)
    value.backward()
    assert bool(result.signal.grad.isfinite().all()) and not bool(result.signal.grad[1, :, 40:].any())


def test_a_term_owns_no_weights_and_suits_every_quantizer():
    part = term()
    part.check(IdentityQuantizer(latent_dim=4))
    assert not list(part.parameters()) and not part.state_dict()


@pytest.mark.parametrize("blocks", [[], [3, 1], [1, 1], [16], [-1]])
def test_blocks_that_are_not_there_are_named(blocks):
    with pytest.raises(ValueError, match="give rising numbers from 0 to 15"):
        term(blocks=blocks)


def test_signals_that_are_no_pictures_are_named(photos):
    batch, result = case(photos)
    grey = Batch(signal=batch.signal[:, :1], keys=("a", "b"))
    with pytest.raises(ValueError, match="pictures of three channels"):
        term()(grey, result)


@pytest.mark.parametrize("path", [None, "/nowhere/vgg16.pth"])
def test_lpips_without_weights_says_what_to_do(path):
    with pytest.raises(ValueError, match=r"path is (None|/nowhere.*): put torchvision's vgg16-\*\.pth there"):
        LearnedPerceptualSimilarity(value_range=[-1.0, 1.0], trunk="vgg", path=path)
    with pytest.raises(ValueError, match="'vgg19'; it is one of vgg, alex, squeeze"):
        LearnedPerceptualSimilarity(value_range=[-1.0, 1.0], trunk="vgg19", path=path)


@pytest.mark.parametrize("trunk", [pytest.param("alex", marks=pytest.mark.slow), "squeeze"])
def test_lpips_is_torchmetrics_with_the_weights_of_the_file(photos, tmp_path, trunk):
    # Random weights stand in for torchvision's, which no test downloads.
    theirs = _LPIPS(net=trunk, pnet_rand=True).eval()
    state = {}
    for name, value in theirs.net.state_dict().items():
        parts = name.split(".")
        state["features." + ".".join(parts[2:] if parts[0] == "slices" else parts[1:])] = value
    torch.save({**state, "classifier.1.weight": torch.zeros(2)}, tmp_path / "trunk.pth")
    ours = LearnedPerceptualSimilarity(value_range=[-1.0, 1.0], trunk=trunk, path=str(tmp_path / "trunk.pth"))
    batch, result = case(photos)
    torch.testing.assert_close(ours(batch, result), theirs(batch.signal, result.signal).mean())
    assert not list(ours.parameters())
    torch.save({"features.0.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"holds no weights of .*: it lacks features"):
        LearnedPerceptualSimilarity(value_range=[-1.0, 1.0], trunk=trunk, path=str(tmp_path / "other.pth"))
