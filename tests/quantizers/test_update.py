"""How the code vectors learn, against the paper's formulas by hand and against the library."""

import pytest
import torch
from plain import vector
from torch.nn import functional as F
from vector_quantize_pytorch import VectorQuantize

from signaltok.quantizers.codebook.initialization import Uniform
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.update import ExponentialMovingAverage, Gradient
from signaltok.quantizers.distributed import seeded


def test_moving_averages_follow_the_paper() -> None:
    decay, epsilon = 0.9, 1e-3
    table = ExponentialMovingAverage(decay=decay, epsilon=epsilon).table(3, 2, False)
    start = torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    table.start(start)
    rows = torch.tensor([[2.0, 0.0], [4.0, 2.0], [0.0, 3.0]])
    table.observe(rows, torch.tensor([0, 0, 1]))
    counts = torch.tensor([0.9 + 0.1 * 2, 0.9 + 0.1, 0.9])
    sums = decay * start + 0.1 * torch.tensor([[6.0, 2.0], [0.0, 3.0], [0.0, 0.0]])
    total = counts.sum()
    smoothed = (counts + epsilon) / (total + 3 * epsilon) * total
    assert torch.allclose(table.counts, counts)
    assert torch.allclose(table.vectors, sums / smoothed[:, None])


def test_moving_averages_equal_the_library_over_steps() -> None:
    peer = VectorQuantize(dim=4, codebook_size=8, decay=0.8, eps=1e-5).train()
    table = ExponentialMovingAverage(decay=0.8, epsilon=1e-5).table(8, 4, False)
    table.start(peer.codebook.detach().clone())
    # The library starts its averages where we start ours.
    peer._codebook.cluster_size.fill_(1)
    peer._codebook.embed_avg.copy_(peer._codebook.embed)
    for step in range(5):
        rows = torch.randn(64, 4, generator=torch.Generator().manual_seed(step))
        codes = peer(rows[None])[1][0]
        table.observe(rows, codes)
        assert torch.allclose(table.vectors, peer.codebook, atol=1e-5)


def test_on_the_sphere_vectors_are_normalised_sums() -> None:
    table = ExponentialMovingAverage(decay=0.5, epsilon=1e-5).table(2, 2, True)
    table.start(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    table.observe(torch.tensor([[0.0, 1.0]]), torch.tensor([0]))
    half = 0.5**0.5
    assert torch.allclose(table.vectors, torch.tensor([[half, half], [0.0, 1.0]]))


def test_a_code_on_the_sphere_that_nothing_hits_stays_there() -> None:
    table = ExponentialMovingAverage(decay=0.5, epsilon=1e-5).table(2, 4, True)
    start = F.normalize(torch.randn(2, 4), dim=1)
    table.start(start)
    for _ in range(400):  # 0.5^400 is far under the smallest float32
        table.observe(start[:1], torch.tensor([0]))
    assert torch.allclose(table.vectors, start, atol=1e-6)
    table.observe(-start[1:], torch.tensor([1]))
    assert torch.allclose(table.vectors[1], -start[1], atol=1e-6), "one hit takes it over"


@pytest.mark.parametrize(
    "update", [ExponentialMovingAverage(decay=0.9, epsilon=1e-5), Gradient(decay=0.9)], ids=["average", "gradient"]
)
def test_a_replaced_code_survives_the_next_update(update: ExponentialMovingAverage | Gradient) -> None:
    table = update.table(4, 2, False)
    table.start(torch.randn(4, 2))
    for _ in range(50):
        table.observe(torch.zeros(8, 2), torch.zeros(8, dtype=torch.int64))
    fresh = torch.tensor([[3.0, -2.0]])
    mean = float(table.counts.mean())
    table.replace(torch.tensor([2]), fresh)
    assert torch.allclose(table.vectors[2], fresh[0]) and float(table.counts[2]) == pytest.approx(mean)
    table.observe(torch.zeros(8, 2), torch.zeros(8, dtype=torch.int64))
    assert torch.allclose(table.vectors[2], fresh[0], rtol=1e-3)


def test_the_codebook_loss_moves_used_vectors_to_their_rows() -> None:
    table = Gradient(decay=0.9).table(3, 2, False)
    table.start(torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))
    rows = torch.tensor([[1.0, 3.0]], requires_grad=True)
    losses = table.losses(rows, table.vectors[torch.tensor([1])])
    assert losses["codebook"].item() == pytest.approx(2.0)
    losses["codebook"].backward()
    (weight,) = table.parameters()
    assert weight.grad is not None and torch.allclose(weight.grad, torch.tensor([[0.0, 0.0], [0.0, -2.0], [0.0, 0.0]]))
    assert rows.grad is None


def test_the_codebook_loss_of_no_rows_is_zero() -> None:
    table = Gradient(decay=0.9).table(3, 2, False)
    none = torch.zeros(0, dtype=torch.int64)
    assert table.losses(torch.zeros(0, 2), table.vectors[none])["codebook"].item() == 0


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=str(decay)):
        ExponentialMovingAverage(decay=decay, epsilon=1e-5)
    with pytest.raises(ValueError, match=str(decay)):
        Gradient(decay=decay)


def test_draws_depend_on_seed_and_step_alone() -> None:
    def draws(seed: int, step: int) -> list[int]:
        torch.rand(3)  # the global generator takes no part
        return torch.randperm(100, generator=seeded(torch.tensor(seed), torch.tensor(step))).tolist()

    assert draws(1, 2) == draws(1, 2)
    assert len({tuple(draws(seed, step)) for seed in (1, 2) for step in (1, 2)}) == 4


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_codes_that_start_again_before_the_backward_pass_leave_its_gradient_as_it_was(metric: str) -> None:
    revival = UsageRevival(threshold=0.9, every=1, until=1.0)
    one, other = (
        vector(4, 16, metric=metric, update=Gradient(decay=0.0), initialization=Uniform(), revival=revives).train()
        for revives in (revival, None)
    )
    z = torch.randn(2, 4, 4, 4)
    one(z)  # begins
    other.load_state_dict(one.state_dict())
    before = one.table.weight.detach().clone()
    for quantizer in (one, other):
        losses = quantizer(z).losses
        (losses["codebook"] + losses["commitment"]).backward()
    assert not torch.equal(one.table.weight, before) and torch.equal(other.table.weight, before)
    assert torch.equal(one.table.weight.grad, other.table.weight.grad)
