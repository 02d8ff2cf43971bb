"""The random-projection quantizer of BEST-RQ (Chiu et al. 2022, arXiv:2202.01855, section 3.1): nothing is learned.

With a matrix A and entries c_v that are drawn once and never change, the code of a vector x is

    argmin_v | normalise(c_v) - normalise(A x) |,

of entries and projections at length one (equation 1). It is a target for masked prediction (objectives.masked_code):
it cannot collapse, and whoever has the seed has the codes. Several levels are as many independent pairs (A, c), as
Zhang et al. 2023 (USM, arXiv:2303.01037, section 2.3) have them, and not residuals of one another.

The paper decodes nothing. Here a code stands for the shortest vector that A maps to its entry, A+ normalise(c_v) with
the pseudo-inverse A+; several levels for the mean of theirs.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.estimator import straight_through
from signaltok.quantizers.codebook.search import highest
from signaltok.types.quantized import Quantized


class RandomProjectionQuantizer(Quantizer):
    """num_codebooks levels of codebook_size entries of codebook_dim numbers, at most latent_dim, all frozen.

    seed: of matrices (Xavier's uniform) and entries (a normal distribution); equal seeds and sizes give equal codes.
    Channels should have mean 0 and variance 1 over the data, or the few that vary most decide: encoder=speech_frames
    sees to that. The gradient passes straight through.
    """

    matrices: Tensor
    vectors: Tensor
    inverses: Tensor

    def __init__(
        self, *, latent_dim: int, num_codebooks: int, codebook_size: int, codebook_dim: int, seed: int
    ) -> None:
        super().__init__()
        if num_codebooks < 1 or codebook_size < 2:
            raise ValueError(
                f"num_codebooks must be at least 1 and codebook_size at least 2, got {num_codebooks} and "
                f"{codebook_size}"
            )
        if not 2 <= codebook_dim <= latent_dim:
            raise ValueError(
                f"codebook_dim must be at least 2 (on the sphere) and at most latent_dim, got {codebook_dim} of "
                f"{latent_dim}"
            )
        self.latent_dim, self.num_codebooks = latent_dim, num_codebooks
        self.codebook_size, self.codebook_dim = codebook_size, codebook_dim
        with torch.device("cpu"):  # drawn by a generator of its own, so not as tensors without memory
            generator = torch.Generator().manual_seed(seed)
            bound = (6 / (latent_dim + codebook_dim)) ** 0.5
            drawn = torch.rand(num_codebooks, codebook_dim, latent_dim, generator=generator, dtype=torch.float64)
            matrices = (2 * drawn - 1) * bound
            vectors = torch.randn(num_codebooks, codebook_size, codebook_dim, generator=generator, dtype=torch.float64)
            inverses = torch.linalg.pinv(matrices)
        self.register_buffer("matrices", matrices.float())
        self.register_buffer("vectors", F.normalize(vectors, dim=-1).float())
        self.register_buffer("inverses", inverses.float())

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return (self.codebook_size,) * self.num_codebooks

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """The nearest entry of each level."""
        rows = z.movedim(1, -1).reshape(-1, self.latent_dim)
        # The nearest of vectors of length one has the highest product, which a length of the other does not change.
        found = [
            highest(rows @ matrix.T.to(rows.dtype), entries, None)
            for matrix, entries in zip(self.matrices, self.vectors, strict=True)
        ]
        return tuple(codes.view(len(z), *z.shape[2:]) for codes in found)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; of fewer levels what those add to the mean of all."""
        assert 1 <= len(codes) <= self.num_codebooks, f"{len(codes)} of {self.num_codebooks} levels"
        levels = zip(codes, self._decoded()[: len(codes)], strict=True)
        return torch.stack([decoded[level] for level, decoded in levels]).sum(0).movedim(-1, 1)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer: nothing is learned."""
        codes = self.encode(z.detach())
        z_q = straight_through(z, self.decode(codes).to(z.dtype))
        return Quantized(z_q=z_q if mask is None else z_q.masked_fill(~mask, 0.0), codes=codes)

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer; decoded: what a code adds to the mean."""
        levels = zip(self.vectors, self._decoded(), strict=True)
        return tuple(CodeVectors(searched=entries, decoded=decoded) for entries, decoded in levels)

    def _decoded(self) -> list[Float[Tensor, "K d"]]:
        pairs = zip(self.vectors, self.inverses, strict=True)
        return [entries @ inverse.T / self.num_codebooks for entries, inverse in pairs]
