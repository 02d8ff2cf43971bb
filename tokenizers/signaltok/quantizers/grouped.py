"""Grouped quantization: the channels of a latent in groups, each with a quantizer of its own.

UniTok (Ma et al. 2025, section 3.2) calls it multi-codebook quantization: z = [z_1, ..., z_G], c_g = Q_g(z_g),
z_q = [Q_1(z_1), ..., Q_G(z_G)]. G books of K codes tell K^G latents apart, and no search is wider than K.
"""

import copy

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.distributed import draw_apart
from signaltok.quantizers.projection import check_one_grid, pointwise, projection
from signaltok.types.quantized import Quantized


class GroupedQuantizer(Quantizer):
    """num_groups groups, each quantized by a copy of `member`, over one projection of the latent.

    member: a quantizer over the channels of a group; the inner latent is num_groups times as wide as its latent_dim.
    Levels: those of the first group, then those of the second, and so on, all on the latent's grid. Losses are means
    over the groups under the members' own names. The gradient passes each group as its member passes it: with the
    straight-through estimator exactly one to the inner latent.
    """

    def __init__(self, *, latent_dim: int, num_groups: int, member: Quantizer) -> None:
        super().__init__()
        if num_groups < 1:
            raise ValueError(f"num_groups must be at least 1, got {num_groups}")
        check_one_grid(member)
        self.latent_dim, self.group_dim = latent_dim, member.latent_dim
        self.inner_dim = num_groups * member.latent_dim
        self.project_in = projection(latent_dim, self.inner_dim)
        self.project_out = projection(self.inner_dim, latent_dim)
        self.groups = nn.ModuleList(copy.deepcopy(member) for _ in range(num_groups))
        for number, copied in enumerate(self.groups):
            draw_apart(copied, number)

    def _members(self) -> list[Quantizer]:
        return list(self.groups)  # type: ignore[arg-type]

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return tuple(size for member in self._members() for size in member.codebook_sizes)

    @property
    def factorised(self) -> bool:
        """See Quantizer."""
        return self.inner_dim != self.latent_dim or self._members()[0].factorised

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return self._members()[0].loss_names()

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """See Quantizer."""
        parts = self._split(pointwise(self.project_in, z))
        return tuple(
            codes for member, part in zip(self._members(), parts, strict=True) for codes in member.encode(part)
        )

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; every group is needed. Raises ValueError for fewer levels."""
        if len(codes) != len(self.codebook_sizes):
            raise ValueError(f"groups decode together: give all {len(self.codebook_sizes)} levels, not {len(codes)}")
        per_group = len(codes) // len(self.groups)
        vectors = [
            member.decode(codes[number * per_group : (number + 1) * per_group])
            for number, member in enumerate(self._members())
        ]
        return pointwise(self.project_out, torch.cat(vectors, dim=1))

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        parts = self._split(pointwise(self.project_in, z))
        members = [member(part, mask) for member, part in zip(self._members(), parts, strict=True)]
        losses: dict[str, Tensor] = {}
        for quantized in members:
            for name, value in quantized.losses.items():
                losses[name] = losses.get(name, 0) + value / len(members)
        z_q = pointwise(self.project_out, torch.cat([quantized.z_q for quantized in members], dim=1))
        active = [quantized.active for quantized in members if quantized.active is not None]
        return Quantized(
            z_q=z_q if mask is None else z_q * mask,
            codes=tuple(codes for quantized in members for codes in quantized.codes),
            losses=losses,
            active=torch.cat(active, dim=1) if active else None,
        )

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer; decoded: a group's own share, the projection's constant in the first level alone."""
        vectors: list[CodeVectors] = []
        with torch.no_grad():
            for number, member in enumerate(self._members()):
                before = number * self.group_dim
                after = self.inner_dim - before - self.group_dim
                for own in member.code_vectors():
                    decoded = self.project_out(F.pad(own.decoded, (before, after)))
                    if vectors and isinstance(self.project_out, nn.Linear):
                        decoded = decoded - self.project_out.bias
                    vectors.append(CodeVectors(searched=own.searched, decoded=decoded))
        return tuple(vectors)

    def _split(self, inner: Float[Tensor, "b inner *l"]) -> tuple[Tensor, ...]:
        # Contiguous: a search over strided rows could take another algorithm.
        return tuple(part.contiguous() for part in inner.split(self.group_dim, dim=1))
