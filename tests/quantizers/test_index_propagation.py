"""Index backpropagation against its dense form, and in bounded memory."""

import math

import pytest
import torch
from torch import Tensor

from signaltok.quantizers import softmax_tiles
from signaltok.quantizers.index_propagation import IndexPropagationQuantizer
from signaltok.quantizers.softmax_tiles import entropies, propagate


def build(codebook_size: int, latent_dim: int = 4) -> IndexPropagationQuantizer:
    return IndexPropagationQuantizer(latent_dim=latent_dim, codebook_size=codebook_size, temperature=0.5)


def dense(rows: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The paper's listing: z_q by a one-hot whose gradient is the softmax's, and the codes."""
    p = (rows @ vectors.T).softmax(1)
    codes = p.argmax(1)
    hard = torch.zeros_like(p).scatter_(1, codes[:, None], 1.0)
    return (hard + p - p.detach()) @ vectors, codes


@pytest.mark.parametrize("scores", [64, 3000, softmax_tiles.TILE_SCORES])
def test_value_and_gradients_equal_the_dense_form(scores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax_tiles, "TILE_SCORES", scores)
    monkeypatch.setattr(softmax_tiles, "CODES_A_TILE", 48)
    draw = torch.Generator().manual_seed(0)
    rows = (3 * torch.randn(70, 6, generator=draw, dtype=torch.float64)).requires_grad_()
    vectors = torch.randn(200, 6, generator=draw, dtype=torch.float64).requires_grad_()
    upstream = torch.randn(70, 6, generator=draw, dtype=torch.float64)
    expected, codes = dense(rows, vectors)
    value = propagate(rows, vectors, codes)
    assert torch.equal(value, vectors[codes]), "to the bit, where the dense form rounds"
    assert float((value - expected).detach().abs().max()) < 1e-10
    through = torch.autograd.grad(value, [rows, vectors], upstream)
    for ours, theirs in zip(through, torch.autograd.grad(expected, [rows, vectors], upstream), strict=True):
        assert float((ours - theirs).abs().max()) < 1e-10


@pytest.mark.parametrize("scores", [64, softmax_tiles.TILE_SCORES])
def test_entropies_and_their_gradients_equal_the_dense_form(scores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax_tiles, "TILE_SCORES", scores)
    monkeypatch.setattr(softmax_tiles, "CODES_A_TILE", 48)
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(70, 6, generator=draw, dtype=torch.float64).requires_grad_()
    vectors = torch.randn(200, 6, generator=draw, dtype=torch.float64).requires_grad_()
    p = (rows @ vectors.T).softmax(1)
    expected = (-(p * p.log()).sum(1).mean(), (p.mean(0) * (200 * p.mean(0)).log()).sum())
    values = entropies(rows, vectors)
    for ours, theirs in zip(values, expected, strict=True):
        assert float((ours - theirs).detach().abs()) < 1e-10
    for one, other in ((values[0], expected[0]), (values[1], expected[1]), (sum(values), sum(expected))):
        ours = torch.autograd.grad(one, [rows, vectors], retain_graph=True)
        theirs = torch.autograd.grad(other, [rows, vectors], retain_graph=True)
        assert all(float((a - b).abs().max()) < 1e-10 for a, b in zip(ours, theirs, strict=True))


def test_the_entropies_know_one_code_for_all_from_all_codes_alike() -> None:
    vectors = 50 * torch.eye(8)
    certain, gap = entropies(torch.eye(8), vectors)
    assert float(certain) == pytest.approx(0, abs=1e-6) and float(gap) == pytest.approx(0, abs=1e-6)
    certain, gap = entropies(torch.eye(8)[:1].expand(8, 8), vectors)
    assert float(certain) == pytest.approx(0, abs=1e-6) and float(gap) == pytest.approx(math.log(8))
    spread, gap = entropies(torch.zeros(3, 8), vectors)
    assert float(spread) == pytest.approx(math.log(8)) and float(gap) == pytest.approx(0, abs=1e-6)
    none = entropies(torch.zeros(0, 8, requires_grad=True), vectors)
    assert [value.item() for value in none] == [0, 0]
    sum(none).backward()


def test_logits_far_beyond_the_range_of_exp_give_finite_gradients() -> None:
    rows, vectors = 1e3 * torch.randn(9, 4), torch.randn(50, 4)
    rows, vectors = rows.requires_grad_(), vectors.requires_grad_()
    value = propagate(rows, vectors, (rows @ vectors.T).argmax(1))
    for gradient in torch.autograd.grad(value.square().sum(), [rows, vectors]):
        assert bool(gradient.isfinite().all())


def test_every_code_receives_a_gradient_through_the_choice() -> None:
    quantizer = build(64).train()
    quantized = quantizer(torch.randn(1, 4, 5))
    assert len(quantized.codes[0].unique()) < 64
    quantized.z_q.square().sum().backward()
    assert quantizer.vectors.grad is not None and bool((quantizer.vectors.grad.abs().sum(1) > 0).all())


def test_each_loss_moves_its_own_side() -> None:
    quantizer = build(16).double().train()
    z = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    losses = quantizer(z).losses
    rows = z.movedim(1, -1).reshape(-1, 4)
    q, codes = dense(rows, quantizer.vectors)
    plain = (rows - quantizer.vectors[codes]).square().mean()
    for name in ("index", "commitment", "codebook"):
        torch.testing.assert_close(losses[name], plain)
    both = [z, quantizer.vectors]
    commitment = torch.autograd.grad(losses["commitment"], both, allow_unused=True, retain_graph=True)
    codebook = torch.autograd.grad(losses["codebook"], both, allow_unused=True, retain_graph=True)
    assert commitment[1] is None and codebook[0] is None
    torch.testing.assert_close(commitment[0], 2 * (z - quantizer.vectors[codes].view(2, 3, 4).movedim(-1, 1)) / 24)
    for ours, theirs in zip(
        torch.autograd.grad(losses["index"], both, retain_graph=True),
        torch.autograd.grad((q - rows).square().mean(), both),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_codes_are_those_of_the_largest_product_not_of_the_nearest() -> None:
    quantizer = build(2, 2)
    with torch.no_grad():
        quantizer.vectors.copy_(torch.tensor([[1.0, 0.0], [9.0, 0.0]]))
    assert int(quantizer.encode(torch.ones(1, 2, 1))[0]) == 1


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="got 1 and"):
        build(1)
    with pytest.raises(ValueError, match=r"got 16 and 0\.0"):
        IndexPropagationQuantizer(latent_dim=4, codebook_size=16, temperature=0.0)


def test_no_tile_of_a_step_is_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    tiles = softmax_tiles._tiles

    def spy(rows: int, codes: int):
        for part, tile in tiles(rows, codes):
            sizes.append((min(part.stop, rows) - part.start) * (min(tile.stop, codes) - tile.start))
            yield part, tile

    monkeypatch.setattr(softmax_tiles, "_tiles", spy)
    monkeypatch.setattr(softmax_tiles, "TILE_SCORES", 5000)
    quantizer = build(5000).train()
    quantized = quantizer(torch.randn(1, 4, 40))
    assert sum(sizes) == 2 * 40 * 5000, "the entropies: once for the sums, once for the mean"
    (quantized.z_q.sum() + sum(quantized.losses.values())).backward()
    assert sum(sizes) == 6 * 40 * 5000, "either gradient: once for the sums, once for itself"
    assert max(sizes) <= 5000
