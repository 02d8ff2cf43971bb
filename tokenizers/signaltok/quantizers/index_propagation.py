"""Index backpropagation: every code receives a gradient through the choice among all of them.

Shi et al.: "Scalable Image Tokenization with Index Backpropagation Quantization" (2024), section 3.2. With logits
l_k = z . e_k and p = softmax(l), the code is k* = argmax l, the value e_{k*}, and the gradient that of the one-hot
hard + p - sg[p]. Two entropies of softmax(l / temperature) keep all codes in play. Tokens x codes is never stored; see
softmax_tiles.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.search import highest
from signaltok.quantizers.codebook.update import mean_square
from signaltok.quantizers.softmax_tiles import entropies, propagate
from signaltok.types.quantized import Quantized


class IndexPropagationQuantizer(Quantizer):
    """One codebook, one level, at the latent's own width.

    Losses, all between z and its code vector q: "index" mse(q, z) through the one-hot, to everything; "commitment"
    mse(sg[q], z), to the latent; "codebook" mse(q, sg[z]), to the vectors. And two, in nats, of p at `temperature`:
    "sample_entropy", the mean entropy of a position's p; "entropy_gap", how far the entropy of the mean p falls short
    of log K.
    """

    def __init__(self, *, latent_dim: int, codebook_size: int, temperature: float) -> None:
        super().__init__()
        if codebook_size < 2 or not temperature > 0:
            raise ValueError(
                f"codebook_size must be at least 2 and temperature above 0, got {codebook_size} and {temperature}"
            )
        self.latent_dim, self.codebook_size, self.temperature = latent_dim, codebook_size, temperature
        self.vectors = nn.Parameter(torch.randn(codebook_size, latent_dim) * latent_dim**-0.5)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return (self.codebook_size,)

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return frozenset({"index", "commitment", "codebook", "sample_entropy", "entropy_gap"})

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
        sample_entropy, entropy_gap = entropies(rows / self.temperature, self.vectors)
        losses = {
            "index": mean_square(estimated, rows),
            "commitment": mean_square(rows, estimated.detach()),
            "codebook": mean_square(self.vectors[found], rows.detach()),
            "sample_entropy": sample_entropy,
            "entropy_gap": entropy_gap,
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
