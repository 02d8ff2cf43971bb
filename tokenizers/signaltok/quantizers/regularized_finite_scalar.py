"""Finite scalar quantization that is held to its codes: with a commitment and the two entropies of a product codebook.

FSQ needs neither (Mentzer et al. 2023); VidTok (Tang et al. 2024) adds both for video. Here the softmax over the codes
is of minus the squared distance of the *bounded* latent to them: the product alone, as VidTok takes it, favours the
outer codes, which are longer. Both entropies are exact and no matrix of tokens by codes is made (entropy.py).
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.estimator import Estimator
from signaltok.quantizers.codebook.update import mean_square
from signaltok.quantizers.entropy import CodeEntropy
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.types.quantized import Quantized


class RegularizedFiniteScalarQuantizer(Quantizer):
    """A FiniteScalarQuantizer with losses: "commitment", the mean squared distance of the bounded latent to its code,
    with the gradient to the latent, and those of CodeEntropy.

    latent_dim, levels, estimator: as there. entropy: its temperature is in the units of the codes, -1 to 1.
    """

    def __init__(self, *, latent_dim: int, levels: list[int], estimator: Estimator, entropy: CodeEntropy) -> None:
        super().__init__()
        self.latent_dim, self.entropy = latent_dim, entropy
        self.lattice = FiniteScalarQuantizer(latent_dim=latent_dim, levels=levels, estimator=estimator)
        entropy.check(self.lattice.codebook_sizes[0])

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See FiniteScalarQuantizer."""
        return self.lattice.codebook_sizes

    @property
    def factorised(self) -> bool:
        """See Quantizer."""
        return self.lattice.factorised

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return frozenset({"commitment"}) | self.entropy.names

    def inner(self, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "b *l inner"]:
        """The bounded latent, channels last: what is rounded."""
        return self.lattice.inner(z)

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """See FiniteScalarQuantizer."""
        return self.lattice.encode(z)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See FiniteScalarQuantizer."""
        return self.lattice.decode(codes)

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See FiniteScalarQuantizer."""
        return self.lattice.code_vectors()

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """Round, with the gradient of the estimator; losses over the valid positions alone."""
        quantized = self.lattice.learn(z, mask)
        rows = self.inner(z).flatten(0, -2)
        rows = rows if mask is None else rows[mask.flatten()]
        half = self.lattice.scale
        nearest = (rows.detach() * half).round() / half
        values = [
            (torch.arange(size, device=rows.device) - size // 2).to(rows) / (size // 2) for size in self.lattice.levels
        ]
        losses = {"commitment": mean_square(rows, nearest), **self.entropy.losses(rows, values, self.progress)}
        z_q = quantized.z_q
        return Quantized(z_q=z_q if mask is None else z_q * mask, codes=quantized.codes, losses=losses)
