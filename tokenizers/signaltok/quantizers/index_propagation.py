"""Index backpropagation: every code receives a gradient through the choice among all of them.

Shi et al.: "Scalable Image Tokenization with Index Backpropagation Quantization" (2024), section 3.2. With logits
l_k = z . e_k and p = softmax(l), the code is k* = argmax l, the value e_{k*}, and the gradient that of the one-hot
hard + p - sg[p]. For an upstream gradient g, with a_k = g . e_k:

    dl_k = p_k (a_k - sum_j p_j a_j),    dz = sum_k dl_k e_k,    de_k = dl_k z + [k = k*] g.

Tokens x codes is never stored: logits are computed again, tile by tile, in both directions.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.exactness import exact_arithmetic
from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.search import CODES_A_TILE, TILE_SCORES, highest
from signaltok.quantizers.codebook.update import mean_square
from signaltok.types.quantized import Quantized


class IndexPropagationQuantizer(Quantizer):
    """One codebook, one level, at the latent's own width.

    Losses, all between z and its code vector q: "index" mse(q, z) through the one-hot, to everything; "commitment"
    mse(sg[q], z), to the latent; "codebook" mse(q, sg[z]), to the vectors.
    """

    def __init__(self, *, latent_dim: int, codebook_size: int) -> None:
        super().__init__()
        if codebook_size < 2:
            raise ValueError(f"codebook_size must be at least 2, got {codebook_size}")
        self.latent_dim, self.codebook_size = latent_dim, codebook_size
        self.vectors = nn.Parameter(torch.randn(codebook_size, latent_dim) * latent_dim**-0.5)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return (self.codebook_size,)

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return frozenset({"index", "commitment", "codebook"})

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """The code of the largest product with the latent."""
        rows = z.movedim(1, -1).reshape(-1, self.latent_dim)
        return (highest(rows, self.vectors, None).view(len(z), *z.shape[2:]),)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer."""
        (level,) = codes
        return self.vectors[level].movedim(-1, 1)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        everything = z.movedim(1, -1).reshape(-1, self.latent_dim)
        valid = None if mask is None else mask.flatten()
        rows = everything if valid is None else everything[valid]
        found = highest(rows, self.vectors, None)
        estimated = propagate(rows, self.vectors, found)
        losses = {
            "index": mean_square(estimated, rows),
            "commitment": mean_square(rows, estimated.detach()),
            "codebook": mean_square(self.vectors[found], rows.detach()),
        }
        if valid is not None:
            estimated = torch.zeros_like(everything).masked_scatter(valid[:, None], estimated)
            found = torch.zeros(len(everything), dtype=torch.int64, device=z.device).masked_scatter(valid, found)
        return Quantized(
            z_q=estimated.view(len(z), *z.shape[2:], self.latent_dim).movedim(-1, 1),
            codes=(found.view(len(z), *z.shape[2:]),),
            losses=losses,
        )

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer."""
        return (CodeVectors(searched=self.vectors.detach(), decoded=self.vectors.detach()),)


def propagate(
    rows: Float[Tensor, "n d"], vectors: Float[Tensor, "K d"], codes: Int64[Tensor, " n"]
) -> Float[Tensor, "n d"]:
    """vectors[codes] to the bit, with the gradient of the one-hot's softmax to rows and to all vectors."""
    return _Propagate.apply(rows, vectors, codes)  # type: ignore[return-value]


class _Propagate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor, vectors: Tensor, codes: Tensor) -> Tensor:  # type: ignore[override]
        rows = rows.contiguous()
        ctx.save_for_backward(rows, vectors, codes)
        return vectors[codes]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        rows, vectors, codes = ctx.saved_tensors
        gradient = gradient.contiguous()
        to_rows, to_vectors = torch.zeros_like(rows), torch.zeros_like(vectors)
        with exact_arithmetic(rows.device):
            log_sums, means = _softmax_means(rows, vectors)
            centres = (gradient * means).sum(1, keepdim=True)  # sum_j p_j a_j
            for part, tile in _tiles(len(rows), len(vectors)):
                p = (rows[part] @ vectors[tile].T).sub_(log_sums[part]).exp_()
                through = (gradient[part] @ vectors[tile].T).sub_(centres[part]).mul_(p)
                to_rows[part] += through @ vectors[tile]
                to_vectors[tile] += through.T @ rows[part]
            to_vectors.index_add_(0, codes, gradient)
        return to_rows, to_vectors, None


def _softmax_means(
    rows: Float[Tensor, "n d"], vectors: Float[Tensor, "K d"]
) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "n d"]]:
    """log sum_k exp l_k and sum_k p_k e_k of every row, tile by tile under a running maximum."""
    highest_so_far = rows.new_full((len(rows), 1), -torch.inf)
    sums, means = rows.new_zeros(len(rows), 1), torch.zeros_like(rows)
    for part, tile in _tiles(len(rows), len(vectors)):
        logits = rows[part] @ vectors[tile].T
        top = torch.maximum(highest_so_far[part], logits.amax(1, keepdim=True))
        shrink = (highest_so_far[part] - top).exp()
        weights = logits.sub_(top).exp_()
        sums[part] = sums[part] * shrink + weights.sum(1, keepdim=True)
        means[part] = means[part] * shrink + weights @ vectors[tile]
        highest_so_far[part] = top
    return highest_so_far + sums.log(), means / sums


def _tiles(rows: int, codes: int) -> Iterator[tuple[slice, slice]]:
    """Rows x codes in pieces of at most TILE_SCORES numbers."""
    width = min(codes, CODES_A_TILE)
    height = max(1, TILE_SCORES // width)
    for left in range(0, codes, width):
        for top in range(0, rows, height):
            yield slice(top, top + height), slice(left, left + width)
