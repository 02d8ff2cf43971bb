import math

import pytest
import torch
from tiny_tokenizer import batches, tokenizer

from signaltok.metrics.distribution import FrechetDistance, KernelDistance
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.extractors import EfficientNetExtractor, FeatureExtractor, InceptionExtractor


class Means(FeatureExtractor):
    """The mean and the deviation of each channel."""

    calls = 0

    def __call__(self, pictures):
        type(self).calls += 1
        values = pictures.double() / 255
        return torch.cat([values.mean((2, 3)), values.std((2, 3))], 1).float()

    def words(self):
        return "means and deviations"


def gaussian(n, mean, root):
    """n rows whose mean and unbiased covariance are exactly these."""
    x = torch.randn(n, len(mean), dtype=torch.float64)
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T
    return x @ root.T + mean


def test_the_frechet_distance_of_commuting_gaussians_is_its_closed_form():
    a, b = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([2.0, 1.0, 3.0]).double()
    m, n = torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([1.0, 1.0, 0.0]).double()
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    x, y = (gaussian(50, mean, turn @ root.diag()) for mean, root in ((m, a), (n, b)))
    expected = float((m - n).square().sum() + (a - b).square().sum())  # tr (S + T - 2 (S T)^1/2) = sum (a - b)^2
    assert FrechetDistance(extractor=Means()).distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_the_frechet_distance_of_any_gaussians_takes_the_root_of_the_product():
    x, y = (gaussian(80, torch.zeros(4).double(), torch.randn(4, 4, dtype=torch.float64)) for _ in range(2))
    s, t = torch.cov(x.T), torch.cov(y.T)
    cross = torch.linalg.eigvals(s @ t).sqrt().real.sum()
    expected = float(s.trace() + t.trace() - 2 * cross)
    assert FrechetDistance(extractor=Means()).distance(x, y) == pytest.approx(expected, rel=1e-7)


def test_equal_sets_have_no_frechet_distance_even_with_few_items():
    x = torch.randn(5, 12, dtype=torch.float64)
    assert FrechetDistance(extractor=Means()).distance(x, x.clone()) == pytest.approx(0.0, abs=1e-6)


def test_the_kernel_distance_is_the_mean_over_pairs():
    x, y = torch.randn(6, 3, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64) + 0.5
    kernel = lambda a, b: (float(a @ b) / 3 + 1) ** 3  # noqa: E731
    within = [
        math.fsum(kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) / (len(z) * (len(z) - 1))
        for z in (x, y)
    ]
    across = math.fsum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    assert KernelDistance(extractor=Means()).distance(x, y) == pytest.approx(sum(within) - 2 * across, rel=1e-10)


def test_the_kernel_distance_is_without_bias():
    drawn = [KernelDistance(extractor=Means()).distance(*torch.randn(2, 8, 2, dtype=torch.float64)) for _ in range(300)]
    mean, error = sum(drawn) / len(drawn), torch.tensor(drawn).std() / math.sqrt(len(drawn))
    assert abs(mean) < 4 * float(error) and min(drawn) < 0


def test_an_evaluation_compares_the_whole_split_with_its_protocol():
    model, data = tokenizer(), batches()
    metrics = {"fd": FrechetDistance(extractor=Means()), "kid": KernelDistance(extractor=Means())}
    Means.calls = 0
    found = evaluate(model, data, metrics=metrics)
    assert Means.calls == 2 * len(data), "both metrics share the features"
    signal = torch.cat([batch.signal for batch in data])
    pixels = lambda values: ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)  # noqa: E731
    x, y = (Means()(pixels(v)).double() for v in (signal, model.decode(model.encode(signal))))
    for name, metric in metrics.items():
        assert found.values[name] == pytest.approx(metric.distance(x, y), rel=1e-4), name
        assert found.protocols[name].endswith("means and deviations; against the 20 originals of the same split")
    single = [type(b)(signal=b.signal[i : i + 1], keys=b.keys[i : i + 1]) for b in data for i in range(4)]
    again = evaluate(model, single, metrics=metrics)
    assert again.values == pytest.approx(found.values, rel=1e-6)


def test_sets_of_one_and_pictures_of_several_sizes_are_named():
    with pytest.raises(ValueError, match="two pictures or more, got 1"):
        FrechetDistance(extractor=Means()).distance(torch.zeros(1, 2).double(), torch.zeros(1, 2).double())
    padded = batches(lengths=torch.tensor([[16, 24], [16, 24], [11, 17], [16, 12]]))
    with pytest.raises(ValueError, match="fd compares pictures of three channels and one size"):
        evaluate(tokenizer(), padded, metrics={"fd": FrechetDistance(extractor=Means())})


def test_features_of_efficientnet_tell_noise_from_photographs(photos):
    from signaltok.data.read_image import read_image

    x = torch.stack([read_image(name)[:, 100:148, 200:248] for name in sorted(photos.glob("*.jpg"))[:12]])
    extractor = EfficientNetExtractor(size=64)
    assert (
        "EfficientNet-Lite0, 1,280 pooled features, resized to 64 (bilinear, antialiased), from uint8"
        in extractor.words()
    )
    metric = KernelDistance(extractor=extractor)

    def features(noise):
        values = (x + noise * torch.randn(x.shape)).clamp(-1, 1)
        return extractor(((values + 1) * 127.5).round().to(torch.uint8)).double()

    plain = features(0.0)
    assert plain.shape == (12, 1280)
    assert metric.distance(plain, features(0.5)) > metric.distance(plain, features(0.05))
    with pytest.raises(ValueError, match="size is 16; give 32 or more"):
        EfficientNetExtractor(size=16)


@pytest.mark.parametrize("path", [None, "/nowhere/inception.pth"])
def test_inception_without_weights_says_what_to_do(path):
    with pytest.raises(ValueError, match=r"FID and KID need Inception's weights, and path is (None|/nowhere)"):
        InceptionExtractor(path=path)
