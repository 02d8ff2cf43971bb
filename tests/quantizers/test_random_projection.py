"""Codes that a seed decides: the nearest of frozen entries on the sphere, whatever a latent's length."""

import pytest
import torch
from torch.nn import functional as F

from signaltok.quantizers.random_projection import RandomProjectionQuantizer


def quantizer(**changes) -> RandomProjectionQuantizer:
    plain = {"latent_dim": 10, "num_codebooks": 2, "codebook_size": 64, "codebook_dim": 4, "seed": 3}
    return RandomProjectionQuantizer(**plain | changes)


def latent(size: int = 50) -> torch.Tensor:
    return torch.randn(2, 10, size, generator=torch.Generator().manual_seed(0))


def test_the_code_is_the_entry_nearest_to_the_normalised_projection():
    made, z = quantizer(), latent()
    for matrix, entries, codes in zip(made.matrices, made.vectors, made.encode(z), strict=True):
        u = F.normalize(z.transpose(1, 2) @ matrix.T, dim=2)
        distances = (u[:, :, None] - entries).square().sum(3)
        assert torch.equal(distances.argmin(2), codes)
    assert torch.allclose(made.vectors.norm(dim=2), torch.ones(2, 64))
    assert all(torch.equal(a, b) for a, b in zip(made.encode(5 * z), made.encode(z), strict=True)), "no length"


def test_a_seed_decides_everything_and_training_changes_nothing():
    torch.manual_seed(0)
    one = quantizer()
    torch.manual_seed(1)
    other = quantizer()
    assert all(torch.equal(a, b) for a, b in zip(one.encode(latent()), other.encode(latent()), strict=True))
    assert not torch.equal(one.encode(latent())[0], quantizer(seed=4).encode(latent())[0])
    assert not torch.equal(one.encode(latent())[0], one.encode(latent())[1]), "levels are drawn apart"
    before = {name: value.clone() for name, value in one.state_dict().items()}
    for step in range(3):
        one.advance(step / 3)
        one.train()(latent() * (step + 1))
    assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())
    assert not list(one.parameters()) and one.loss_names() == frozenset()


def test_a_code_stands_for_the_shortest_vector_that_is_projected_on_its_entry():
    made = quantizer(num_codebooks=1)
    codes = torch.arange(64)[None]
    vectors = made.decode((codes,))
    torch.testing.assert_close(vectors[0].T @ made.matrices[0].T, made.vectors[0], atol=1e-4, rtol=1e-4)
    assert torch.equal(made.encode(vectors)[0], codes)
    null = torch.linalg.svd(made.matrices[0]).Vh[4:]  # what the projection does not see, no such vector has
    assert (null @ vectors[0]).abs().max() < 1e-4


def test_the_matrix_has_xavier_s_bounds():
    matrices = quantizer(latent_dim=300, codebook_dim=16, num_codebooks=4).matrices
    bound = (6 / 316) ** 0.5
    assert 0.99 * bound < float(matrices.abs().max()) <= bound
    torch.testing.assert_close(float(matrices.var()), bound**2 / 3, rtol=0.03, atol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_codebooks": 0}, "num_codebooks must be at least 1 and codebook_size at least 2, got 0 and 64"),
        ({"codebook_size": 1}, "got 2 and 1"),
        ({"codebook_dim": 11}, "at most latent_dim, got 11 of 10"),
        ({"codebook_dim": 1}, r"at least 2 \(on the sphere\)"),
    ],
)
def test_impossible_sizes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        quantizer(**changes)
