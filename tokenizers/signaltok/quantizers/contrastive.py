"""Contrastive quantization: codes that tell positions apart, over a product codebook on the sphere.

The product quantizer of wav2vec 2.0 (Baevski et al. 2020, section 2) trained by identification. Of G groups,

    u_g = normalise(W_g z + b_g),  e_gv of length one,  k_g = argmax_v u_g . e_gv,  q = [e_1k, ..., e_Gk],  z_q = W q,

with two losses and neither commitment nor averages: the entries learn by gradient through q.

    "contrastive"   from P z~ pick the own q among those of other positions (identification.py); z~ is z itself, the
                    latent of another view of the item, or a context vector that the task gives
    "diversity"     1 - sum_g exp H(p_g) / (G V),  p_g = mean over positions of softmax(u_g . e_g / tau)

exp H(p_g) is V exp -(log V - H(p_g)), and the gap in the exponent comes from softmax_tiles: no tokens x codes matrix.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.exactness import full_precision
from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.assignment import Assignment
from signaltok.quantizers.codebook.search import highest
from signaltok.quantizers.distributed import Draws
from signaltok.quantizers.identification import Identification, first_equal
from signaltok.quantizers.softmax_tiles import entropies
from signaltok.types.quantized import Quantized

ANCHORS = ("self", "view", "context")


class ContrastiveQuantizer(Quantizer):
    """num_codebooks levels of codebook_size entries of codebook_dim numbers, all on the latent's grid.

    assignment: which entry stands for a position in training. anchor: "self", "view" or "context": what z~ is; all but
    "self" are given to each training forward. anchor_dim: channels of z~, latent_dim but for a context.
    affinity_temperature: tau of p_g and of the assignment. temperature, ties, num_negatives, negatives: see
    Identification.
    """

    def __init__(
        self,
        *,
        latent_dim: int,
        num_codebooks: int,
        codebook_size: int,
        codebook_dim: int,
        assignment: Assignment,
        affinity_temperature: float,
        anchor: str,
        anchor_dim: int,
        temperature: float,
        ties: str,
        num_negatives: int,
        negatives: str,
    ) -> None:
        super().__init__()
        if num_codebooks < 1 or codebook_size < 2 or codebook_dim < 2:
            raise ValueError(
                "num_codebooks must be at least 1, codebook_size and codebook_dim (on the sphere) at least 2, got "
                f"{num_codebooks}, {codebook_size} and {codebook_dim}"
            )
        if not affinity_temperature > 0:
            raise ValueError(f"affinity_temperature must be above 0, got {affinity_temperature}")
        if anchor not in ANCHORS:
            raise ValueError(f"anchor must be one of {ANCHORS}, got {anchor!r}")
        if anchor_dim < 1 or (anchor != "context" and anchor_dim != latent_dim):
            raise ValueError(
                f"anchor_dim must be at least 1, and latent_dim ({latent_dim}) for anchor={anchor}, got {anchor_dim}"
            )
        self.latent_dim, self.num_codebooks = latent_dim, num_codebooks
        self.codebook_size, self.codebook_dim = codebook_size, codebook_dim
        self.assignment, self.affinity_temperature = assignment, affinity_temperature
        self.anchor, self.anchor_dim = anchor, anchor_dim
        self.identification = Identification(
            temperature=temperature, ties=ties, num_negatives=num_negatives, negatives=negatives
        )
        inner = num_codebooks * codebook_dim
        self.project_in, self.project_out = nn.Linear(latent_dim, inner), nn.Linear(inner, latent_dim)
        self.anchor_head = nn.Linear(anchor_dim, inner)
        self.vectors = nn.Parameter(torch.randn(num_codebooks, codebook_size, codebook_dim) * codebook_dim**-0.5)
        self.draws = Draws()
        with torch.no_grad():
            self.project_in.bias.zero_()  # latents start small; a bias would send all of them one way
            if anchor != "context":  # the anchor of a latent starts at the vector that is searched for it
                self.anchor_head.weight.copy_(self.project_in.weight)
                self.anchor_head.bias.zero_()

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return (self.codebook_size,) * self.num_codebooks

    @property
    def factorised(self) -> bool:
        """See Quantizer: the projections learn through z_q."""
        return True

    @property
    def given(self) -> frozenset[str]:
        """See Quantizer."""
        return frozenset() if self.anchor == "self" else frozenset({self.anchor})

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return frozenset({"contrastive", "diversity"})

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """The nearest entry of each group."""
        parts = self._parts(self.project_in(_rows(z)))
        found = [highest(u, entries, None) for u, entries in zip(parts, self._entries(), strict=True)]
        return tuple(codes.view(len(z), *z.shape[2:]) for codes in found)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; every group is needed. Raises ValueError for fewer levels."""
        if len(codes) != self.num_codebooks:
            raise ValueError(f"groups decode together: give all {self.num_codebooks} levels, not {len(codes)}")
        q = torch.cat([entries[level] for entries, level in zip(self._entries(), codes, strict=True)], -1)
        return self.project_out(q).movedim(-1, 1)

    def forward(
        self,
        z: Float[Tensor, "b d *l"],
        mask: Bool[Tensor, "b 1 *l"] | None = None,
        anchor: Float[Tensor, "b ..."] | None = None,
    ) -> Quantized:
        """See Quantizer. anchor: z~ in training, of anchor="view" or "context", at the positions of z."""
        if not self.training or anchor is None:
            return super().forward(z, mask)
        with torch.autocast(z.device.type, enabled=False):
            return self._learn(full_precision(z), mask, full_precision(anchor))

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer. Raises ValueError where the anchor must be given to forward."""
        if self.given:
            raise ValueError(f"anchor={self.anchor} must be given in training: quantizer(z, mask, anchor=...)")
        return self._learn(z, mask, z)

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer; decoded: a group's own share, the projection's constant in the first level alone."""
        levels = []
        with torch.no_grad():
            for number, entries in enumerate(self._entries()):
                before = number * self.codebook_dim
                weight = self.project_out.weight[:, before : before + self.codebook_dim]
                decoded = F.linear(entries, weight, self.project_out.bias if number == 0 else None)
                levels.append(CodeVectors(searched=entries, decoded=decoded))
        return tuple(levels)

    def _learn(
        self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None, anchor: Float[Tensor, "b ..."]
    ) -> Quantized:
        if anchor.shape != (len(z), self.anchor_dim, *z.shape[2:]):
            raise ValueError(
                f"the anchor has shape {tuple(anchor.shape)}, expected {(len(z), self.anchor_dim, *z.shape[2:])}: "
                "anchor_dim channels at the positions of the latent"
            )
        rows, anchors, valid = _rows(z), _rows(anchor), None if mask is None else mask.flatten()
        if valid is not None:
            rows, anchors = rows[valid], anchors[valid]
        generator = self.draws.next()
        codes, assigned, diversity = [], [], []
        for u, entries in zip(self._parts(self.project_in(rows)), self._entries(), strict=True):
            codes.append(highest(u, entries, None))
            assigned.append(
                self.assignment(
                    u,
                    entries,
                    codes[-1],
                    temperature=self.affinity_temperature,
                    progress=self.progress,
                    generator=generator,
                )
            )
            diversity.append((-entropies(u / self.affinity_temperature, entries)[1]).exp())
        positions = torch.full((len(z),), z[0, 0].numel()) if mask is None else mask.flatten(1).sum(1)
        contrastive = self.identification(
            self.anchor_head(anchors),
            torch.cat([group.identified for group in assigned], 1),
            self._names([group.codes for group in assigned]),
            positions,
            generator,
        )
        decoded, codes = self.project_out(torch.cat([group.decoded for group in assigned], 1)), torch.stack(codes)
        if valid is not None:
            decoded = z.new_zeros(len(valid), self.latent_dim).masked_scatter(valid[:, None], decoded)
            codes = codes.new_zeros(len(codes), len(valid)).masked_scatter(valid, codes)
        grid = (len(z), *z.shape[2:])
        return Quantized(
            z_q=decoded.view(*grid, self.latent_dim).movedim(-1, 1),
            codes=tuple(level.view(grid) for level in codes),
            losses={"contrastive": contrastive, "diversity": 1 - torch.stack(diversity).mean()},
        )

    def _names(self, codes: list[Int64[Tensor, " n"]]) -> Int64[Tensor, "n g"]:
        """Numbers that are equal where the chosen entries are; where ties are kept nobody compares them."""
        if self.identification.ties == "keep":
            return torch.stack(codes, 1)
        pairs = zip(self._entries(), codes, strict=True)
        return torch.stack([first_equal(entries)[level] for entries, level in pairs], 1)

    def _entries(self) -> tuple[Float[Tensor, "V d"], ...]:
        return F.normalize(self.vectors, dim=-1).unbind()

    def _parts(self, inner: Float[Tensor, "n inner"]) -> tuple[Float[Tensor, "n d"], ...]:
        """The vectors on the sphere of each group; contiguous, as a search over strided rows could differ."""
        parts = inner.split(self.codebook_dim, 1)
        return tuple(F.normalize(part, dim=1).contiguous() for part in parts)


def _rows(z: Float[Tensor, "b d *l"]) -> Float[Tensor, "n d"]:
    return z.movedim(1, -1).reshape(-1, z.shape[1])
