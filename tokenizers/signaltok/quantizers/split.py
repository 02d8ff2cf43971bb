"""Split quantization: a semantic quantizer beside an acoustic one (Mimi, the codec of Moshi, Défossez et al. 2024).

Both see the same latent, each by projections of its own, and what they look up is added:

    z_q = Q_semantic(z) + Q_acoustic(z),

so what a semantic level is taught (by distillation, say) costs the acoustic levels nothing that they could not say
themselves: no level is the residual of the semantic one.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from signaltok.layers.conv import silence
from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.distributed import Draws, rows_of_group
from signaltok.quantizers.projection import check_one_grid
from signaltok.types.quantized import Quantized


class SplitQuantizer(Quantizer):
    """Levels: those of `semantic`, then those of `acoustic`; the first so many decode alone.

    Both are quantizers over the whole latent that reach their inner latents by maps of their own: without
    (Quantizer.factorised), each would quantize the latent itself, and their sum be twice that. The gradient of z_q
    passes each as it passes it alone, and adds up. unquantized: share of the items that, in training, go on as their
    latent itself while both quantizers learn from them too; drawn for the items of all processes together. Losses are
    means over all levels under the members' own names, which are the same.
    """

    def __init__(self, *, latent_dim: int, semantic: Quantizer, acoustic: Quantizer, unquantized: float) -> None:
        super().__init__()
        if not 0 <= unquantized < 1:
            raise ValueError(f"unquantized is a share of the items, at least 0 and under 1, got {unquantized}")
        for name, member in (("semantic", semantic), ("acoustic", acoustic)):
            check_one_grid(member)
            if member.latent_dim != latent_dim:
                raise ValueError(f"{name}.latent_dim is {member.latent_dim}, but the latent has {latent_dim} channels")
            if not member.factorised:
                raise ValueError(
                    f"{name} must have projections of its own, or both members quantize the latent itself and their "
                    f"sum is twice that; give its codes fewer dimensions than latent_dim={latent_dim}"
                )
        if semantic.loss_names() != acoustic.loss_names():
            raise ValueError(
                f"semantic and acoustic must have the same losses, got {sorted(semantic.loss_names())} and "
                f"{sorted(acoustic.loss_names())}"
            )
        self.latent_dim, self.unquantized = latent_dim, float(unquantized)
        self.semantic, self.acoustic = semantic, acoustic
        self.draws = Draws() if unquantized > 0 else None

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return self.semantic.codebook_sizes + self.acoustic.codebook_sizes

    @property
    def factorised(self) -> bool:
        """See Quantizer."""
        return True

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return self.semantic.loss_names()

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """See Quantizer."""
        return self.semantic.encode(z) + self.acoustic.encode(z)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; the semantic levels, and as many acoustic ones as there are codes for."""
        border = len(self.semantic.codebook_sizes)
        z_q = self.semantic.decode(codes[:border])
        return z_q if len(codes) <= border else z_q + self.acoustic.decode(codes[border:])

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        members = [member(z, mask) for member in (self.semantic, self.acoustic)]
        z_q = members[0].z_q + members[1].z_q
        if self.draws is not None:
            z_q = torch.where(self._passed(z), silence(z, mask), z_q)
        shares = [len(quantized.codes) / len(self.codebook_sizes) for quantized in members]
        losses = {
            name: shares[0] * value + shares[1] * members[1].losses[name] for name, value in members[0].losses.items()
        }
        active = None
        if any(quantized.active is not None for quantized in members):
            all_on = [torch.ones(len(z), len(own.codes), dtype=torch.bool, device=z.device) for own in members]
            active = torch.cat(
                [on if own.active is None else own.active for own, on in zip(members, all_on, strict=True)], dim=1
            )
        return Quantized(z_q=z_q, codes=members[0].codes + members[1].codes, losses=losses, active=active)

    def _passed(self, z: Float[Tensor, "b d *l"]) -> Bool[Tensor, "b ..."]:
        assert self.draws is not None
        generator = self.draws.next()
        batch, before = rows_of_group(z)
        drawn = torch.rand(batch, generator=generator) < self.unquantized
        return drawn[before : before + len(z)].view(-1, *[1] * (z.ndim - 1)).to(z.device)

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer; decoded: what a code adds, the projections' constants in each member's first level alone."""
        return self.semantic.code_vectors() + self.acoustic.code_vectors()
