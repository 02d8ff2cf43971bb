"""Vector quantization with a learned codebook (VQ-VAE, van den Oord et al. 2017), its five choices given as parts.

Latents are projected to the codebook's own width where that differs (factorised codes: ViT-VQGAN, Yu et al. 2021,
section 3.2) and, for the cosine metric, put on the unit sphere together with the codes. By angle the code is chosen in
the same way, but what is looked up, compared and learned are the vectors as they are, of any length (DAC, Kumar et al.
2023, section 3.2, as published; SNAC).
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.estimator import Estimator
from signaltok.quantizers.codebook.initialization import Initialization, sample
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.search import highest, nearest
from signaltok.quantizers.codebook.update import Update, mean_square
from signaltok.quantizers.distributed import rows_of_group, seeded
from signaltok.types.quantized import Quantized

METRICS = ("euclidean", "cosine", "angle")


class VectorQuantizer(Quantizer):
    """One codebook, one level.

    metric: "euclidean", "cosine" or "angle". The inner latent is the projected (and, for cosine, normalised) latent;
    the loss "commitment" is its mean squared distance to the code, with the gradient to the latent alone.
    """

    initialized: Tensor
    steps: Tensor
    seed: Tensor

    def __init__(
        self,
        *,
        latent_dim: int,
        codebook_size: int,
        codebook_dim: int,
        metric: str,
        update: Update,
        estimator: Estimator,
        initialization: Initialization,
        revival: UsageRevival | None,
    ) -> None:
        super().__init__()
        if codebook_size < 2 or codebook_dim < 1:
            raise ValueError(
                f"codebook_size must be at least 2 and codebook_dim at least 1, got {codebook_size} and {codebook_dim}"
            )
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {METRICS}, got {metric!r}")
        if revival is not None and not update.revives:
            raise ValueError(
                f"{type(update).__name__} moves all codes together, so none can start again; set revival to null"
            )
        self.latent_dim, self.codebook_size, self.codebook_dim = latent_dim, codebook_size, codebook_dim
        self.metric, self.spherical, self.by_angle = metric, metric == "cosine", metric == "angle"
        projected = latent_dim != codebook_dim
        self.project_in = nn.Linear(latent_dim, codebook_dim) if projected else nn.Identity()
        self.project_out = nn.Linear(codebook_dim, latent_dim) if projected else nn.Identity()
        self.update, self.estimator = update, estimator
        self.initialization, self.revival = initialization, revival
        self.table = update.table(codebook_size, codebook_dim, self.spherical)
        self.register_buffer("initialized", torch.zeros((), dtype=torch.bool))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        # Drawn once: with several processes, Lightning gives all of them the first one's buffers.
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.table.start(torch.randn(codebook_size, codebook_dim))
        if self.spherical:
            self.table.start(F.normalize(torch.randn(codebook_size, codebook_dim), dim=1))

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return (self.codebook_size,)

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return frozenset({"commitment"}) | self.update.losses

    def _projected(self, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "n inner"]:
        return self.project_in(z.flatten(2).transpose(1, 2).reshape(-1, self.latent_dim))

    def _inner(self, projected: Float[Tensor, "n inner"]) -> Float[Tensor, "n inner"]:
        return F.normalize(projected, dim=1) if self.spherical else projected

    def _outer(self, rows: Float[Tensor, "n inner"], shape: tuple[int, ...]) -> Float[Tensor, "b d *l"]:
        b, *grid = shape
        return self.project_out(rows).view(b, -1, self.latent_dim).transpose(1, 2).reshape(b, self.latent_dim, *grid)

    def _searched(self, vectors: Float[Tensor, "K inner"]) -> Float[Tensor, "K inner"]:
        return F.normalize(vectors, dim=1) if self.by_angle else vectors

    def _search(self, inner: Float[Tensor, "n inner"], vectors: Float[Tensor, "K inner"]) -> Int64[Tensor, " n"]:
        # By angle the length of a row changes nothing, and the codes' is one: the score is their product.
        return highest(inner, self._searched(vectors), None) if self.by_angle else nearest(inner, vectors)

    def encode_rows(self, projected: Float[Tensor, "n inner"]) -> Int64[Tensor, " n"]:
        """The codes of rows that project_in has given."""
        return self._search(self._inner(projected), self.table.vectors)

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """See Quantizer."""
        return (self.encode_rows(self._projected(z)).view(len(z), *z.shape[2:]),)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer."""
        (level,) = codes
        return self._outer(self.table.vectors[level.flatten()], tuple(level.shape))

    def assign(self, rows: Float[Tensor, "n inner"]) -> tuple[Int64[Tensor, " n"], Float[Tensor, "n inner"]]:
        """One training batch of inner latents: their codes and vectors as they are before the table takes the rows in.

        The vectors carry a gradient where they learn by one.
        """
        self._begin(rows.detach())
        vectors = self.table.vectors  # once: they may be computed
        found = self._search(rows, vectors)
        q = F.embedding(found, vectors)  # a copy: averages move their vectors in place
        with torch.no_grad():
            self._observe(rows.detach(), found)
        return found, q

    def learn_rows(
        self, projected: Float[Tensor, "n inner"], valid: Bool[Tensor, " n"] | None
    ) -> tuple[Float[Tensor, "n inner"], Int64[Tensor, " n"], dict[str, Tensor]]:
        """learn for rows that project_in has given: what project_out takes (zero where not valid), codes, losses."""
        inner = self._inner(projected)
        rows = inner if valid is None else inner[valid]
        found, q = self.assign(rows)
        losses = {"commitment": mean_square(rows, q.detach()), **self.table.losses(rows, q)}
        estimated = self.estimator(rows, q.detach(), self.progress)
        if valid is not None:
            estimated = torch.zeros_like(inner).masked_scatter(valid[:, None], estimated)
            found = torch.zeros(len(inner), dtype=torch.int64, device=inner.device).masked_scatter(valid, found)
        return estimated, found, losses

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        shape = (len(z), *z.shape[2:])
        estimated, found, losses = self.learn_rows(self._projected(z), None if mask is None else mask.flatten())
        z_q = self._outer(estimated, shape)
        return Quantized(z_q=z_q if mask is None else z_q * mask, codes=(found.view(shape),), losses=losses)

    @torch.no_grad()
    def _begin(self, rows: Float[Tensor, "n inner"]) -> None:
        if bool(self.initialized) or self.progress < self.initialization.start:
            return
        if rows_of_group(rows)[0] == 0:  # quantizer dropout may leave a level no item
            return
        vectors = self.initialization(rows, self.codebook_size, seeded(self.seed, self.steps))
        self.table.start(F.normalize(vectors, dim=1) if self.spherical else vectors)
        # Codes that are all the same come from a batch of which a level before this one has left nothing, as it does
        # where it has taken every row as a code. They do no harm now, but the start is the next batch's.
        self.initialized.fill_(bool((vectors != vectors[:1]).any()))

    def _observe(self, rows: Float[Tensor, "n inner"], codes: Int64[Tensor, " n"]) -> None:
        self.steps += 1
        self.table.observe(rows, codes)
        if self.revival is None:
            return
        dead = self.revival.dead(self.table.counts, int(self.steps), self.progress)
        if len(dead) and rows_of_group(rows)[0]:
            self.table.replace(dead, sample(rows, len(dead), seeded(self.seed, self.steps)))

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer."""
        with torch.no_grad():
            vectors = self.table.vectors.detach()
            return (CodeVectors(searched=self._searched(vectors), decoded=self.project_out(vectors)),)
