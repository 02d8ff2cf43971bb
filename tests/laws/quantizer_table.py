"""The quantizers under the laws: one row each, a tiny instance. A new quantizer adds one line here."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from signaltok.parts import Quantizer
from signaltok.quantizers.assignment import Assignment, GumbelAssignment, NearestAssignment
from signaltok.quantizers.binary_spherical import BinarySphericalQuantizer
from signaltok.quantizers.chart import Direction, Stereographic
from signaltok.quantizers.codebook.estimator import LateStart, Rotation, StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample, Gaussian, KMeans, Uniform
from signaltok.quantizers.codebook.projected import Projected
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.contrastive import ContrastiveQuantizer
from signaltok.quantizers.ctc import CtcQuantizer
from signaltok.quantizers.entropy import CodeEntropy
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.quantizers.gumbel import GumbelQuantizer
from signaltok.quantizers.hierarchical import HierarchicalQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.quantizers.index_propagation import IndexPropagationQuantizer
from signaltok.quantizers.library import LibraryQuantizer
from signaltok.quantizers.lookup_free import LookupFreeQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.quantizers.parallel import ParallelQuantizer
from signaltok.quantizers.random_projection import RandomProjectionQuantizer
from signaltok.quantizers.regularized_finite_scalar import RegularizedFiniteScalarQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.quantizers.smoothing import PartlySharedConvolutions
from signaltok.quantizers.split import SplitQuantizer

sys.path.insert(0, str(Path(__file__).parents[1] / "quantizers"))
from plain import lattice
from plain import vector as plain_vector

DIM = 4


@dataclass(frozen=True)
class Row:
    """build: a quantizer of DIM latent channels.

    inner: what z_q's gradient must equal under the straight-through estimator; None for other estimators.
    axes: the only number of axes that the quantizer takes, None where it takes any.
    """

    build: Callable[[], Quantizer]
    inner: Callable[[Quantizer, Tensor], Tensor] | None = None
    axes: int | None = None


def itself(quantizer: Quantizer, z: Tensor) -> Tensor:
    return z


def bounded(quantizer: Quantizer, z: Tensor) -> Tensor:
    return quantizer.inner(z).movedim(-1, 1)


def vector(**changes: object) -> Callable[[], Quantizer]:
    """The plain codebook of DIM channels, a new one each time."""
    return partial(plain_vector, DIM, **changes)


def residual(
    level: Callable[[], Quantizer],
    dropout: float = 0.0,
    shared: bool = False,
    rescale: float = 1.0,
    choices: list[int] | None = None,
    latent_dim: int = DIM,
    num_codebooks: int = 3,
    orthogonal: bool = False,
) -> Callable[[], Quantizer]:
    return lambda: ResidualQuantizer(
        latent_dim=latent_dim,
        num_codebooks=num_codebooks,
        level=level(),
        shared=shared,
        rescale=rescale,
        dropout=dropout,
        choices=choices,
        orthogonal=orthogonal,
    )


def grouped(member: Callable[[], Quantizer], num_groups: int = 2) -> Callable[[], Quantizer]:
    return lambda: GroupedQuantizer(latent_dim=DIM, num_groups=num_groups, member=member())


def multiscale(level: Callable[[], Quantizer], **changes: object) -> Callable[[], Quantizer]:
    plain = {"scales": [1, 2, 3], "shared": False, "upsampling": "cubic", "smoothing": None, "orthogonal": False}
    return lambda: MultiscaleQuantizer(latent_dim=DIM, level=level(), **plain | changes)


def split(
    acoustic: Callable[[], Quantizer], unquantized: float, residual: bool = False, orthogonal: bool = False
) -> Callable[[], Quantizer]:
    return lambda: SplitQuantizer(
        latent_dim=DIM,
        semantic=vector(latent_dim=3, codebook_dim=3)(),
        acoustic=acoustic(),
        residual=residual,
        unquantized=unquantized,
        orthogonal=orthogonal,
    )


def smoothing() -> PartlySharedConvolutions:
    return PartlySharedConvolutions(axes=2, width=DIM, count=4, ratio=0.5)


def library(name: str, **options: object) -> Callable[[], Quantizer]:
    return lambda: LibraryQuantizer(latent_dim=DIM, name=name, options=options)


def gumbel(temperature: float = 1.0) -> Quantizer:
    return GumbelQuantizer(
        latent_dim=DIM,
        codebook_size=16,
        temperature_start=temperature,
        temperature_end=temperature / 4,
        annealed_by=0.5,
        late_start=0.0,
        initialization=DataSample(),
        sharpness=1.0,
    )


def warm_gumbel() -> Quantizer:
    """For a stack: cold levels make of a difference in the last bit a hundred times as much, a step (law 7)."""
    return gumbel(temperature=16.0)


def contrastive(assignment: Callable[[], Assignment], **changes: object) -> Callable[[], Quantizer]:
    plain = {
        "latent_dim": DIM, "num_codebooks": 2, "codebook_size": 8, "codebook_dim": 3, "chart": Direction(),
        "affinity_temperature": 1.0, "anchor": "self", "anchor_dim": DIM, "head": "own", "temperature": 1.0,
        "ties": "keep", "num_negatives": 20, "negatives": "batch", "initialization": None, "revival": None,
        "decay": 0.9,
    }  # fmt: skip
    return lambda: ContrastiveQuantizer(**plain | {"assignment": assignment()} | changes)


def relaxed() -> Assignment:
    return GumbelAssignment(start=2.0, end=0.5, until=0.5)


def on_spheres(quantizer: Quantizer, z: Tensor) -> Tensor:
    """Straight through the choice: both projections, and between them each group's vector at length one."""
    rows = z.movedim(1, -1).reshape(-1, DIM)
    u = F.normalize(quantizer.project_in(rows).unflatten(1, (2, 3)), dim=2).flatten(1)
    return quantizer.project_out(u).view(len(z), *z.shape[2:], DIM).movedim(-1, 1)


def entropy() -> CodeEntropy:
    return CodeEntropy(temperature=0.3, early_factor=3.0, early_until=0.5)


def normalised(quantizer: Quantizer, z: Tensor) -> Tensor:
    return F.normalize(z, dim=1)


QUANTIZERS = {
    "identity": Row(lambda: IdentityQuantizer(latent_dim=DIM), itself),
    "random projection": Row(
        lambda: RandomProjectionQuantizer(latent_dim=DIM, num_codebooks=2, codebook_size=16, codebook_dim=3, seed=0),
        itself,
    ),
    "ctc": Row(lambda: CtcQuantizer(latent_dim=DIM), itself),
    "fsq": Row(lambda: lattice(DIM, [8, 5, 5, 5]), bounded),
    "fsq projected": Row(lambda: lattice(DIM, [5, 5, 5])),
    "fsq entropy": Row(
        lambda: RegularizedFiniteScalarQuantizer(
            latent_dim=DIM, levels=[8, 5, 5, 5], estimator=StraightThrough(), entropy=entropy()
        ),
        bounded,
    ),
    "lfq": Row(lambda: LookupFreeQuantizer(latent_dim=DIM, bits=DIM, entropy=entropy()), bounded),
    "lfq projected": Row(lambda: LookupFreeQuantizer(latent_dim=DIM, bits=7, entropy=entropy())),
    "bsq": Row(lambda: BinarySphericalQuantizer(latent_dim=DIM, bits=DIM, entropy=entropy()), bounded),
    "bsq projected": Row(lambda: BinarySphericalQuantizer(latent_dim=DIM, bits=3, entropy=None)),
    "vq": Row(vector(), itself),
    "vq gradient": Row(vector(update=Gradient(decay=0.9), initialization=Uniform()), itself),
    "vq rotation": Row(vector(estimator=Rotation())),
    "vq cosine": Row(vector(metric="cosine"), normalised),
    "vq gradient cosine": Row(vector(metric="cosine", update=Gradient(decay=0.9)), normalised),
    "vq gradient cosine revival": Row(
        vector(
            metric="cosine",
            update=Gradient(decay=0.5),
            initialization=Uniform(),
            revival=UsageRevival(threshold=0.5, every=1, until=1.0),
        ),
        normalised,
    ),
    "vq factorised": Row(vector(metric="cosine", codebook_dim=3, estimator=Rotation())),
    "vq angle": Row(vector(metric="angle", update=Gradient(decay=0.9)), itself),
    "vq angle averages": Row(vector(metric="angle", codebook_dim=3)),
    "vq revival": Row(
        vector(initialization=KMeans(iterations=3), revival=UsageRevival(threshold=0.5, every=1, until=1.0)), itself
    ),
    "simvq": Row(vector(update=Projected(decay=0.9), initialization=Gaussian()), itself),
    "gumbel": Row(gumbel),
    "ibq": Row(lambda: IndexPropagationQuantizer(latent_dim=DIM, codebook_size=16, temperature=1.0)),
    "contrastive": Row(contrastive(NearestAssignment), on_spheres),
    "contrastive placed": Row(
        contrastive(
            NearestAssignment,
            chart=Stereographic(radius=4.0),
            head="shared",
            initialization=DataSample(),
            revival=UsageRevival(threshold=0.5, every=1, until=1.0),
        )
    ),
    "contrastive stereographic": Row(contrastive(NearestAssignment, chart=Stereographic(radius=1.0))),
    "contrastive gumbel of items": Row(contrastive(relaxed, ties="mask", negatives="item")),
    "rvq": Row(residual(vector()), itself),
    "rvq gradient": Row(residual(vector(update=Gradient(decay=0.9))), itself),
    "rvq dropout": Row(residual(vector(), dropout=0.5), itself),
    "rvq nested": Row(residual(residual(vector())), itself),
    "rvq projected": Row(residual(vector(latent_dim=2, codebook_dim=2), num_codebooks=2)),
    "rvq shared": Row(residual(vector(), shared=True), itself),
    "rvq shared gradient dropout": Row(residual(vector(update=Gradient(decay=0.9)), dropout=0.5, shared=True), itself),
    "rvq factorised": Row(residual(vector(codebook_dim=2, metric="cosine", update=Gradient(decay=0.9)))),
    "rvq rotations": Row(residual(vector(codebook_dim=2), latent_dim=DIM, orthogonal=True)),
    "rvq factorised dropout": Row(residual(vector(codebook_dim=2), dropout=0.5)),
    "rvq dac": Row(residual(vector(codebook_dim=2, metric="angle", update=Gradient(decay=0.9)), dropout=0.5)),
    "rvq late": Row(residual(vector(estimator=LateStart(start=0.25, then=StraightThrough()))), itself),
    "rvq bandwidths": Row(residual(vector(), dropout=1.0, choices=[1, 3]), itself),
    "rvq of fsq": Row(
        residual(
            lambda: lattice(DIM, [5, 5, 5, 5]),
            rescale=4.0,
            dropout=0.5,
        ),
        itself,
    ),
    "rvq of fsq factorised": Row(residual(lambda: lattice(DIM, [5, 5]), rescale=4.0)),
    "rvq of gumbel": Row(residual(warm_gumbel, dropout=0.5)),
    "rvq of contrastive": Row(residual(contrastive(NearestAssignment), dropout=0.5)),
    "rvq of groups": Row(residual(grouped(vector(latent_dim=2, codebook_dim=2))), itself),
    "grouped": Row(grouped(vector(latent_dim=2, codebook_dim=2)), itself),
    "grouped gradient cosine": Row(
        grouped(vector(latent_dim=4, codebook_dim=4, metric="cosine", update=Gradient(decay=0.9)))
    ),
    "grouped fsq": Row(grouped(lambda: lattice(2, [5, 5]))),
    "grouped of rvq": Row(
        grouped(
            residual(vector(latent_dim=2, codebook_dim=2), latent_dim=2, num_codebooks=2, shared=True, dropout=0.5)
        ),
        itself,
    ),
    "multiscale": Row(multiscale(vector(), scales=[1, 2, 4]), itself),
    "multiscale var": Row(
        lambda: multiscale(
            vector(update=Gradient(decay=0.9)), scales=[1, 2, 3, 4], shared=True, smoothing=smoothing()
        )(),
        itself,
        axes=2,
    ),
    "multiscale factorised": Row(
        multiscale(vector(codebook_dim=2, metric="cosine"), scales=[1, 2, 4], upsampling="nearest")
    ),
    "multiscale projected": Row(multiscale(vector(latent_dim=2, codebook_dim=2))),
    "multiscale of fsq": Row(multiscale(lambda: lattice(DIM, [5, 5, 5, 5])), itself),
    "multiscale of gumbel": Row(multiscale(warm_gumbel, scales=[2, 4])),
    "multiscale of rvq": Row(multiscale(residual(vector(), dropout=0.5), scales=[2, 5]), itself),
    "multiscale snac": Row(
        multiscale(
            vector(codebook_dim=2, metric="angle", update=Gradient(decay=0.9)), scales=[1, 2, 4], upsampling="nearest"
        )
    ),
    "split": Row(split(residual(vector(), dropout=0.5), unquantized=0.5)),
    "split orthogonal": Row(split(residual(vector()), unquantized=0.0, orthogonal=True)),
    "split in line": Row(split(residual(vector(), dropout=0.5), unquantized=0.5, residual=True)),
    "split dac": Row(split(residual(vector(codebook_dim=2, metric="angle")), unquantized=0.0)),
    "parallel": Row(
        lambda: ParallelQuantizer(
            latent_dim=DIM, axes=2, strides=[4, 1], width=6, depth=1, level=vector(latent_dim=3, codebook_dim=3)()
        ),
        axes=2,
    ),
    "hierarchical": Row(
        lambda: HierarchicalQuantizer(
            latent_dim=DIM, axes=2, width=6, depth=1, top=vector(latent_dim=3, codebook_dim=3)(), bottom=vector()()
        ),
        axes=2,
    ),
    "library vq": Row(library("VectorQuantize", codebook_size=16, rotation_trick=False), itself),
    "library rotation": Row(library("VectorQuantize", codebook_size=16, rotation_trick=True)),
    "library revival": Row(library("VectorQuantize", codebook_size=16, kmeans_init=True, threshold_ema_dead_code=2)),
    "library rvq": Row(
        library("ResidualVQ", codebook_size=16, num_quantizers=3, rotation_trick=False, quant_grad_frac=1.0), itself
    ),
    "library fsq": Row(library("FSQ", levels=[8, 5, 5, 5])),
}
