"""Levels of codes as the public models have them, and their tables.

What only training reads is the published models' own decay and no revival or dropout: a run that starts from an
imported tokenizer brings its own.
"""

from torch import Tensor

from signaltok.parts import Quantizer
from signaltok.published.translation import Translation
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample
from signaltok.quantizers.codebook.update import ExponentialMovingAverage, Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.residual import ResidualQuantizer

DECAY, EPSILON = 0.99, 1e-5  # EnCodec's and Mimi's


def nearest_level(dim: int, codebook_size: int) -> VectorQuantizer:
    """EnCodec's and Mimi's: the nearest vector, learned by moving averages."""
    return VectorQuantizer(
        latent_dim=dim,
        codebook_size=codebook_size,
        codebook_dim=dim,
        metric="euclidean",
        update=ExponentialMovingAverage(decay=DECAY, epsilon=EPSILON),
        estimator=StraightThrough(),
        initialization=DataSample(),
        revival=None,
    )


def factorised_level(latent_dim: int, codebook_size: int, codebook_dim: int) -> VectorQuantizer:
    """DAC's and SNAC's: few dimensions, chosen by angle. Raises ValueError where there would be no projection."""
    if codebook_dim == latent_dim:
        raise ValueError(f"codebook_dim {codebook_dim} is the latent's own, which leaves a level here no projection")
    return VectorQuantizer(
        latent_dim=latent_dim,
        codebook_size=codebook_size,
        codebook_dim=codebook_dim,
        metric="angle",
        update=Gradient(decay=DECAY),
        estimator=StraightThrough(),
        initialization=DataSample(),
        revival=None,
    )


def residual(level: Quantizer, num_codebooks: int) -> ResidualQuantizer:
    """A stack of such levels."""
    return ResidualQuantizer(
        latent_dim=level.latent_dim,
        num_codebooks=num_codebooks,
        level=level,
        shared=False,
        rescale=1.0,
        dropout=0.0,
        choices=None,
        orthogonal=False,
    )


def translate_averages(translation: Translation, ours: str, theirs: str, sums: Tensor, counts: Tensor) -> None:
    """The table of a nearest level: sums [K, d] and counts [K] of their averages. Counts of zero everywhere, as a model
    has that was never trained, would make the first averages of nothing: then they are ones.
    """
    vectors = translation.found[f"{ours}.table.vectors"]
    if not bool(counts.any()):
        sums, counts = vectors, counts.new_ones(counts.shape)
    translation.put(f"{ours}.table.sums", sums, theirs)
    translation.put(f"{ours}.table.counts", counts, theirs)


def translate_factorised(translation: Translation, ours: str, theirs: str) -> None:
    """A factorised level."""
    translation.pointwise(f"{ours}.project_in", f"{theirs}.in_proj")
    translation.pointwise(f"{ours}.project_out", f"{theirs}.out_proj")
    translation.put(f"{ours}.table.weight", translation.take(f"{theirs}.codebook.weight"), f"{theirs}.codebook.weight")
