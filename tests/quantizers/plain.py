"""The plain codebook that the quantizers' tests vary."""

from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.codebook.vector import VectorQuantizer


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
