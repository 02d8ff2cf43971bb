"""Where code vectors start, and which of them start again."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import (
    DataSample,
    Jittered,
    KMeans,
    LateInitialization,
    Uniform,
    sample,
)
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.search import TILE_SCORES, nearest
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.codebook.vector import VectorQuantizer


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_sample_takes_each_row_once_where_there_are_enough() -> None:
    rows = torch.arange(20.0)[:, None]
    taken = sample(rows, 20, generator())[:, 0]
    assert sorted(taken.tolist()) == rows[:, 0].tolist() and not torch.equal(taken, rows[:, 0])
    assert torch.equal(sample(rows, 7, generator(3)), sample(rows, 7, generator(3)))


def test_a_sample_larger_than_the_batch_takes_rows_about_equally_often() -> None:
    counts = torch.bincount(sample(torch.arange(6.0)[:, None], 20, generator())[:, 0].long())
    assert counts.tolist().count(3) + counts.tolist().count(4) == 6


def test_data_sample_gives_rows() -> None:
    rows = torch.randn(50, 4)
    vectors = DataSample()(rows, 16, generator())
    assert (vectors[:, None] == rows).all(2).any(1).all()


def test_k_means_finds_separated_clusters() -> None:
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    rows = centres.repeat(40, 1) + torch.randn(120, 2)
    found = KMeans(iterations=20)(rows, 3, generator(1))
    means = rows.view(40, 3, 2).mean(0)
    assert torch.allclose(found[nearest(means, found)], means, atol=1e-4)


def test_more_iterations_of_k_means_never_fit_worse() -> None:
    rows = torch.randn(400, 3)

    def distortion(iterations: int) -> float:
        vectors = KMeans(iterations=iterations)(rows, 24, generator())
        return float((rows - vectors[nearest(rows, vectors)]).square().sum())

    distortions = [distortion(iterations) for iterations in (1, 2, 4, 8, 16)]
    assert distortions == sorted(distortions, reverse=True) and distortions[-1] < distortions[0]


def test_k_means_keeps_finite_centres_with_more_codes_than_rows() -> None:
    vectors = KMeans(iterations=3)(torch.randn(5, 2), 16, generator())
    assert vectors.shape == (16, 2) and vectors.isfinite().all()


def test_k_means_holds_no_matrix_of_rows_by_codes_by_dimensions() -> None:
    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, function, types, arguments=(), named=None):
            result = function(*arguments, **(named or {}))
            if isinstance(result, torch.Tensor):
                self.elements = max(self.elements, result.numel())
            return result

    rows = torch.randn(8192, 16, generator=generator())
    with Largest() as seen:
        KMeans(iterations=1)(rows, 2048, generator())
    assert seen.elements <= TILE_SCORES < 8192 * 2048 < 8192 * 2048 * 16


def test_uniform_stays_within_one_over_the_size() -> None:
    vectors = Uniform()(torch.randn(5, 64), 32, generator())
    assert vectors.abs().max() <= 1 / 32 and vectors.abs().max() > 0.9 / 32


def test_codes_under_the_share_of_the_mean_are_dead_when_asked_in_time() -> None:
    revival = UsageRevival(threshold=0.5, every=10, until=0.8)
    counts = torch.tensor([10.0, 4.0, 0.0, 1.9])  # mean 3.975
    assert revival.dead(counts, 20, 0.5).tolist() == [2, 3]
    assert revival.dead(counts, 21, 0.5).tolist() == []
    assert revival.dead(counts, 20, 0.8).tolist() == []


@pytest.mark.parametrize(
    "changes", [{"threshold": 0.0}, {"threshold": 1.0}, {"every": 0}, {"until": 1.5}], ids=lambda c: str(c)
)
def test_settings_out_of_range_are_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match="threshold must lie"):
        UsageRevival(**{"threshold": 0.1, "every": 10, "until": 0.8} | changes)
    with pytest.raises(ValueError, match="iterations must be at least 1, got 0"):
        KMeans(iterations=0)


def test_a_late_start_waits_for_its_share_of_the_run_and_then_starts_from_that_batch():
    quantizer = VectorQuantizer(
        latent_dim=4, codebook_size=4, codebook_dim=4, metric="euclidean", revival=None, estimator=StraightThrough(),
        update=ExponentialMovingAverage(decay=0.9, epsilon=1e-5),
        initialization=LateInitialization(start=0.5, then=DataSample()),
    )  # fmt: skip
    z = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    quantizer.advance(0.4)
    quantizer.train()(z + 50)
    assert not bool(quantizer.initialized)
    quantizer.advance(0.5)
    found = quantizer(z)
    assert bool(quantizer.initialized) and float(quantizer.table.vectors.abs().max()) < 10
    assert len(found.codes[0].unique()) == 4
    with pytest.raises(ValueError, match="start is a share of the run"):
        LateInitialization(start=0.0, then=DataSample())


def test_jitter_parts_the_copies_that_a_small_batch_gives_and_begins_when_what_it_moves_does():
    rows, generator = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.Generator()
    copies = DataSample()(rows, 600, generator.manual_seed(1))
    moved = Jittered(deviation=0.1, then=DataSample())(rows, 600, generator.manual_seed(1))
    assert len(copies.unique(dim=0)) == 3 and len(moved.unique(dim=0)) == 600
    assert float((moved - copies).std()) == pytest.approx(0.1, rel=0.1)
    assert Jittered(deviation=0.1, then=LateInitialization(start=0.3, then=DataSample())).start == 0.3
    with pytest.raises(ValueError, match=r"deviation must be above 0, got 0\.0"):
        Jittered(deviation=0.0, then=DataSample())
