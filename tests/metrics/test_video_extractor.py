"""Sets of videos are compared by a network that is read from a path, and the protocol says which."""

import hashlib

import pytest
import torch
from torchvision.models.video import r3d_18

from signaltok.metrics.distribution import FrechetDistance
from signaltok.metrics.feature_sets import FeatureSets
from signaltok.metrics.video_extractor import DEVIATION, MEAN, VideoResNetExtractor


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Those of an untrained network of three classes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "r3d_18.pth"
    torch.save(r3d_18(weights=None, num_classes=3).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def extractor(weights):
    return VideoResNetExtractor(network="r3d_18", path=str(weights), size=16)


def test_features_are_those_of_the_network_before_its_classes(weights, extractor):
    clips = torch.randint(0, 256, (2, 3, 3, 16, 20), dtype=torch.uint8)
    network = r3d_18(weights=None, num_classes=3).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    values = (clips / 255 - torch.tensor(MEAN).view(3, 1, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1, 1)
    found = extractor(clips)
    assert found.shape == (2, 512) and not found.requires_grad
    torch.testing.assert_close(network.fc(found), network(values), rtol=1e-4, atol=1e-5)


def test_the_protocol_names_the_file_and_the_shorter_side_is_resized(weights, extractor):
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
    words = FrechetDistance(extractor=extractor).protocol(41)
    assert f"r3d_18 of torchvision, weights of SHA-256 {digest}, 512 pooled features" in words
    assert words.endswith("to 16 (bilinear, antialiased), from uint8; against the 41 originals of the same split")
    grey = torch.full((1, 3, 2, 32, 40), 99, dtype=torch.uint8)
    torch.testing.assert_close(extractor(grey), extractor(grey[..., :16, :20]), rtol=1e-4, atol=1e-5)


def test_videos_of_several_extents_count_each_at_its_own(extractor):
    sets = FeatureSets({"fd": FrechetDistance(extractor=extractor)})
    clips = torch.rand(2, 3, 5, 16, 16)
    lengths = torch.tensor([[5, 16, 16], [2, 16, 16]])
    as_bytes = lambda values: (values * 255).round().byte()  # noqa: E731
    sets.add(clips, clips.flip(2), lengths, as_bytes)
    padded = clips.clone()
    padded[1, :, 2:] = 0.9
    other = FeatureSets({"fd": FrechetDistance(extractor=extractor)})
    flipped = clips.flip(2)
    flipped[1, :, 2:] = 0.1
    other.add(padded, flipped, lengths, as_bytes)
    assert sets.values() == other.values() and sets.values()["fd"] > 0
    with pytest.raises(ValueError, match=r"fd compares videos of three channels, got \(2, 3, 16, 16\)"):
        sets.add(clips[:, :, 0], clips[:, :, 0], None, as_bytes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": None}, "needs a network's weights, and path is None: put torchvision's weights of r3d_18 there"),
        ({"network": "i3d"}, "there is no video network i3d; there are r3d_18, mc3_18, r2plus1d_18"),
        ({"network": "r2plus1d_18"}, r"r3d_18\.pth does not hold the weights of r2plus1d_18: Missing key"),
        ({"size": 8}, "the extractor's size is 8; give 16 pixels or more"),
    ],
)
def test_what_cannot_be_is_named(weights, changes, message):
    with pytest.raises(ValueError, match=message):
        VideoResNetExtractor(**{"network": "r3d_18", "path": str(weights), "size": 16, **changes})
