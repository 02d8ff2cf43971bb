"""The plain codebook, the plain lattice and the plain residual stack that the quantizers' tests vary."""

import torch
from torch import Tensor

from signaltok.parts import Quantizer
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.residual import ResidualQuantizer


def vector(dim: int = 4, size: int = 16, **changes: object) -> VectorQuantizer:
    """size Euclidean codes of dim channels by moving averages, from the first batch's rows, without revival."""
    plain = {
        "latent_dim": dim,
        "codebook_size": size,
        "codebook_dim": dim,
        "metric": "euclidean",
        "update": ExponentialMovingAverage(decay=0.9, epsilon=1e-5),
        "estimator": StraightThrough(),
        "initialization": DataSample(),
        "revival": None,
    }
    return VectorQuantizer(**plain | changes)


def lattice(dim: int, levels: list[int]) -> FiniteScalarQuantizer:
    """The paper's own finite scalars."""
    return FiniteScalarQuantizer(latent_dim=dim, levels=levels, estimator=StraightThrough())


def residual(level: Quantizer, **changes: object) -> ResidualQuantizer:
    """Three levels of their own as wide as the latent, all of them used by every item."""
    plain = {
        "latent_dim": level.latent_dim,
        "num_codebooks": 3,
        "shared": False,
        "rescale": 1.0,
        "dropout": 0.0,
        "choices": None,
        "orthogonal": False,
    }
    return ResidualQuantizer(level=level, **plain | changes)


def padded() -> Tensor:
    """The mask of three items of 40 positions, of which the second ends at 17."""
    mask = torch.ones(3, 1, 40, dtype=torch.bool)
    mask[1, :, 17:] = False
    return mask


def assert_left_the_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """What two ways to train the same stack in float64 leave behind, name by name, up to rounding."""
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, msg=lambda text, key=key: f"{key}: {text}", atol=1e-11, rtol=1e-9)
