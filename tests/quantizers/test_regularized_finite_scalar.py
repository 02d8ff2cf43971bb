"""FSQ with losses: what it adds to FSQ, and against the dense form."""

import pytest
import torch
from plain import lattice

from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.entropy import CodeEntropy
from signaltok.quantizers.regularized_finite_scalar import RegularizedFiniteScalarQuantizer

LEVELS = [8, 5, 4]


def build(temperature: float = 0.2, latent_dim: int = 3, levels: list[int] | None = None):
    entropy = CodeEntropy(temperature=temperature, early_factor=1.0, early_until=0.0)
    return RegularizedFiniteScalarQuantizer(
        latent_dim=latent_dim, levels=levels or LEVELS, estimator=StraightThrough(), entropy=entropy
    )


def test_codes_and_vectors_are_those_of_fsq() -> None:
    plain, z = lattice(3, LEVELS), torch.randn(2, 3, 9, 7) * 2
    for training in (True, False):
        one, other = build().train(training)(z), plain.train(training)(z)
        assert torch.equal(one.z_q, other.z_q) and torch.equal(one.codes[0], other.codes[0])


def test_losses_and_their_gradients_are_those_of_a_softmax_over_all_codes() -> None:
    quantizer, temperature = build().double().train(), 0.2
    z = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(2, 1, 5, 4, dtype=torch.bool)
    mask[1, :, 3:] = False
    losses = quantizer(z, mask).losses
    rows = quantizer.inner(z).flatten(0, -2)[mask.flatten()]
    (level,) = quantizer.code_vectors()
    p = (-torch.cdist(rows, level.searched).square() / temperature).softmax(1)
    mean = p.mean(0)
    expected = {
        "entropy_sample": -(p * p.log()).sum(1).mean(),
        "entropy_deficit": torch.tensor(160.0).double().log() + (mean * mean.log()).sum(),
        "commitment": torch.cdist(rows, level.searched).square().min(1).values.mean() / 3,
    }
    assert losses.keys() == expected.keys() == quantizer.loss_names()
    for name, value in expected.items():
        assert torch.allclose(losses[name], value, atol=1e-9), name
        (one,) = torch.autograd.grad(losses[name], z, retain_graph=True)
        (other,) = torch.autograd.grad(value, z, retain_graph=True)
        assert torch.allclose(one, other, atol=1e-9) and one.abs().sum() > 0, name


def test_a_book_whose_mean_distribution_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="the entropy of the mean distribution"):
        build(latent_dim=9, levels=[8] * 9)
