"""The parts under the laws: one row each, a tiny instance. A new part adds one line here."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from signaltok.parts import Quantizer
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.quantizers.library import LibraryQuantizer

DIM = 4


@dataclass(frozen=True)
class Row:
    """build: a quantizer of DIM latent channels.

    inner: what z_q's gradient must equal under the straight-through estimator; None for other estimators.
    """

    build: Callable[[], Quantizer]
    inner: Callable[[Quantizer, Tensor], Tensor] | None = None


def itself(quantizer: Quantizer, z: Tensor) -> Tensor:
    return z


def bounded(quantizer: Quantizer, z: Tensor) -> Tensor:
    return quantizer.inner(z).movedim(-1, 1)


def library(name: str, **options: object) -> Callable[[], Quantizer]:
    return lambda: LibraryQuantizer(latent_dim=DIM, name=name, options=options)


QUANTIZERS = {
    "identity": Row(lambda: IdentityQuantizer(latent_dim=DIM), itself),
    "fsq": Row(lambda: FiniteScalarQuantizer(latent_dim=DIM, levels=[8, 5, 5, 5]), bounded),
    "fsq projected": Row(lambda: FiniteScalarQuantizer(latent_dim=DIM, levels=[5, 5, 5])),
    "library vq": Row(library("VectorQuantize", codebook_size=16, rotation_trick=False), itself),
    "library rotation": Row(library("VectorQuantize", codebook_size=16, rotation_trick=True)),
    "library revival": Row(library("VectorQuantize", codebook_size=16, kmeans_init=True, threshold_ema_dead_code=2)),
    "library rvq": Row(
        library("ResidualVQ", codebook_size=16, num_quantizers=3, rotation_trick=False, quant_grad_frac=1.0), itself
    ),
    "library fsq": Row(library("FSQ", levels=[8, 5, 5, 5])),
}
