import math

import pytest
import torch
from plain import lattice
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from signaltok.quantizers.entropy import LARGEST_BOOK, TILE_PROBABILITIES, CodeEntropy, code_entropies

LN2 = math.log(2)


def dense(rows: Tensor, codes: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The definition: a softmax over all codes for every token."""
    logs = (-(rows[:, None] - codes).square().sum(-1) / temperature).log_softmax(-1)
    p = logs.exp()
    mean = p.mean(0)
    # Codes whose probability underflows add nothing; entr is zero there but its gradient is not finite.
    return -(p * logs).sum(1).mean(), torch.special.entr(mean[mean > 0]).sum()


def coordinates(sizes: list[int]) -> list[Tensor]:
    return [torch.linspace(-1, 1, size, dtype=torch.float64) for size in sizes]


def product(values: list[Tensor]) -> Tensor:
    return torch.cartesian_prod(*values).view(-1, len(values))


def value_and_gradient(value: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    return value.detach(), torch.autograd.grad(value, rows, retain_graph=True)[0]


@pytest.mark.parametrize("sizes", [[8, 5, 5, 5], [2] * 10, [2], [3], [5, 2, 7]], ids=str)
@pytest.mark.parametrize("temperature", [0.01, 0.5])
def test_both_entropies_and_gradients_are_those_of_the_dense_form(sizes: list[int], temperature: float) -> None:
    rows = torch.rand(37, len(sizes), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = (2.4 * rows - 1.2).requires_grad_()
    values = coordinates(sizes)
    found = code_entropies(rows, values, temperature)
    for ours, expected in zip(found, dense(rows, product(values), temperature), strict=True):
        value, gradient = value_and_gradient(ours, rows)
        other, other_gradient = value_and_gradient(expected, rows)
        assert abs(float(value - other)) < 1e-10
        assert gradient.isfinite().all() and gradient.abs().max() > 0
        assert torch.allclose(gradient, other_gradient, rtol=0, atol=1e-10)


def test_the_entropies_of_finite_scalar_codes_use_distances_not_products() -> None:
    # On a grid whose codes differ in length, z.c alone would favour the corners.
    torch.manual_seed(0)
    quantizer = lattice(4, [8, 5, 5, 5]).double()
    rows = quantizer.inner(torch.randn(3, 4, 5, 6, dtype=torch.float64)).flatten(0, -2)
    values = [(torch.arange(size, dtype=torch.float64) - size // 2) / (size // 2) for size in quantizer.levels]
    (vectors,) = quantizer.code_vectors()
    for ours, expected in zip(
        code_entropies(rows, values, 0.05), dense(rows, vectors.searched.double(), 0.05), strict=True
    ):
        assert abs(float(ours - expected)) < 1e-10


def test_several_tiles_of_tokens_give_the_same_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    values = coordinates([2] * 6)
    whole = value_and_gradient(code_entropies(rows, values, 0.2)[1], rows)
    monkeypatch.setattr("signaltok.quantizers.entropy.TILE_PROBABILITIES", 16 * 7)
    tiled = value_and_gradient(code_entropies(rows, values, 0.2)[1], rows)
    for one, other in zip(whole, tiled, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)


def test_the_published_sum_over_groups_is_only_an_upper_bound() -> None:
    # Two coordinates that always agree: two codes of four in use, but each coordinate alone looks uniform.
    rows = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    values = coordinates([2, 2])
    exact = code_entropies(rows, values, 0.01)[1]
    groups = sum(code_entropies(rows[:, [i]], values[:1], 0.01)[1] for i in range(2))
    assert abs(float(exact) - LN2) < 1e-12 and abs(float(groups) - 2 * LN2) < 1e-12
    torch.manual_seed(0)
    rows = torch.randn(30, 6, dtype=torch.float64)
    exact = code_entropies(rows, coordinates([2] * 6), 0.5)[1]
    groups = sum(code_entropies(rows[:, [i]], values[:1], 0.5)[1] for i in range(6))
    assert float(exact) < float(groups) - 0.01


def test_eighteen_bits_reach_their_whole_entropy() -> None:
    # A floor of 1e-5 under the logarithm, as the library has, stops at log(1e5) and passes no gradient there.
    rows = torch.zeros(4, 18, requires_grad=True)
    sample, mean = code_entropies(rows, [torch.tensor([-1.0, 1.0])] * 18, 0.01)
    assert float(mean.detach()) == pytest.approx(18 * LN2, abs=1e-4)
    assert float(sample.detach()) == pytest.approx(18 * LN2, abs=1e-4)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_nothing_overflows(size: float) -> None:
    rows = (size * torch.randn(64, 18, generator=torch.Generator().manual_seed(0))).requires_grad_()
    for value in code_entropies(rows, [torch.tensor([-1.0, 1.0])] * 18, 0.01):
        value, gradient = value_and_gradient(value, rows)
        assert value.isfinite() and value >= 0 and gradient.isfinite().all()


class LargestTensor(TorchDispatchMode):
    """Remembers the most elements that any operation gave."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_no_matrix_of_tokens_by_codes_is_made_forward_or_backward() -> None:
    rows = torch.randn(4096, 18, requires_grad=True)
    with LargestTensor() as seen:
        sum(code_entropies(rows, [torch.tensor([-1.0, 1.0])] * 18, 0.01)).backward()
    assert 2**18 <= seen.elements <= TILE_PROBABILITIES


def test_no_row_at_all_gives_zeros_with_a_gradient() -> None:
    z = torch.randn(3, 4, requires_grad=True)
    losses = entropy().losses(z[:0], [torch.tensor([-1.0, 1.0])] * 4, 0.0)
    sum(losses.values()).backward()
    assert all(float(loss.detach()) == 0 for loss in losses.values())
    assert z.grad is not None and torch.equal(z.grad, torch.zeros(3, 4))


def entropy(**changes: float) -> CodeEntropy:
    return CodeEntropy(**{"temperature": 0.1, "early_factor": 3.0, "early_until": 0.5, **changes})


def test_the_early_factor_scales_the_gradient_and_never_the_value() -> None:
    rows = torch.randn(20, 4, dtype=torch.float64, requires_grad=True)
    found = {}
    for progress in (0.0, 0.25, 0.5, 1.0):
        losses = entropy().losses(rows, coordinates([2] * 4), progress)
        assert set(losses) == entropy().names and all(loss >= 0 for loss in losses.values())
        found[progress] = {name: value_and_gradient(loss, rows) for name, loss in losses.items()}
    for name, (value, plain) in found[1.0].items():
        for progress, factor in ((0.0, 3.0), (0.25, 2.0), (0.5, 1.0)):
            other, gradient = found[progress][name]
            assert torch.equal(other, value)
            assert torch.allclose(gradient, factor * plain, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"temperature": 0.0}, "got 0.0"), ({"early_factor": 0.0}, "got 0.0"), ({"early_until": 1.5}, "1.5")],
)
def test_impossible_settings_are_refused(changes: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        entropy(**changes)


def test_a_book_too_large_for_its_mean_distribution_is_refused() -> None:
    entropy().check(LARGEST_BOOK)
    with pytest.raises(ValueError, match=r"4294967296.*entropy: null"):
        entropy().check(2**32)
