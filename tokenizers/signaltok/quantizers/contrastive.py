"""Contrastive quantization: codes that tell positions apart, over a product codebook on the sphere.

The product quantizer of wav2vec 2.0 (Baevski et al. 2020, section 2) trained by identification. Of G groups,

    u_g = chart(W_g z + b_g),  e_gv of length one,  k_g = argmax_v u_g . e_gv,  q = [e_1k, ..., e_Gk],
    z_q = W [chart^-1(e_1k), ..., chart^-1(e_Gk)] + b,

with losses and without averages: the entries learn by gradient through q. The chart of the sphere (chart.py) is the
direction, which is its own inverse here, or one that keeps lengths.

    "contrastive"   from P z~ pick the own q among those of other positions (identification.py); z~ is z itself, the
                    latent of another view of the item, or a context vector that the task gives
    "diversity"     1 - sum_g exp H(p_g) / (G V),  p_g = mean over positions of softmax(u_g . e_g / tau)
    "commitment"    mean over positions and groups of |u_g - e_gk|^2, with the gradient to u alone
    "codebook"      the same, with the gradient to the entries alone

The first two need no others to fill the codebook. But identification asks that codes differ, not that they lie near
what they stand for: beside a reconstruction the two distances ask for that (van den Oord et al. 2017, equation 3).

exp H(p_g) is V exp -(log V - H(p_g)), and the gap in the exponent comes from softmax_tiles: no tokens x codes matrix.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.exactness import full_precision
from signaltok.parts import CodeVectors, Quantizer
from signaltok.processes import part_of_group_mean, sum_over_group
from signaltok.quantizers.assignment import Assignment
from signaltok.quantizers.chart import Chart
from signaltok.quantizers.codebook.initialization import Initialization, sample
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.search import highest
from signaltok.quantizers.distributed import Draws, rows_of_group
from signaltok.quantizers.identification import Identification, first_equal
from signaltok.quantizers.softmax_tiles import entropies
from signaltok.types.quantized import Quantized

ANCHORS = ("self", "view", "context")
HEADS = ("own", "shared")


class ContrastiveQuantizer(Quantizer):
    """num_codebooks levels of codebook_size entries for vectors of codebook_dim numbers, all on the latent's grid.

    chart: how those are put on the sphere. assignment: which entry stands for a position in training. anchor: "self",
    "view" or "context": what z~ is; all but "self" are given to each training forward. anchor_dim: channels of z~,
    latent_dim but for a context. head: P is a map of its "own", which starts as that of u, or "shared": the anchor is
    the u of z~. affinity_temperature: tau of p_g and of the assignment. temperature, ties, num_negatives, negatives:
    see Identification. initialization: places the entries among the u at its share of the run; until then u passes as
    it is and the losses are zero. None: they are normal, and learn from the first step. revival: of entries that
    nothing chooses, by running counts with the decay; None for none.
    """

    hits: Tensor

    def __init__(
        self,
        *,
        latent_dim: int,
        num_codebooks: int,
        codebook_size: int,
        codebook_dim: int,
        chart: Chart,
        assignment: Assignment,
        affinity_temperature: float,
        anchor: str,
        anchor_dim: int,
        head: str,
        temperature: float,
        ties: str,
        num_negatives: int,
        negatives: str,
        initialization: Initialization | None,
        revival: UsageRevival | None,
        decay: float,
    ) -> None:
        super().__init__()
        if num_codebooks < 1 or codebook_size < 2 or codebook_dim < 2 - chart.extra:
            raise ValueError(
                f"num_codebooks must be at least 1, codebook_size 2 and codebook_dim {2 - chart.extra} (for a sphere), "
                f"got {num_codebooks}, {codebook_size} and {codebook_dim}"
            )
        if not affinity_temperature > 0:
            raise ValueError(f"affinity_temperature must be above 0, got {affinity_temperature}")
        if anchor not in ANCHORS:
            raise ValueError(f"anchor must be one of {ANCHORS}, got {anchor!r}")
        if anchor_dim < 1 or (anchor != "context" and anchor_dim != latent_dim):
            raise ValueError(
                f"anchor_dim must be at least 1, and latent_dim ({latent_dim}) for anchor={anchor}, got {anchor_dim}"
            )
        if head not in HEADS or (head == "shared" and anchor == "context"):
            raise ValueError(
                f"head must be one of {HEADS}, and own for a context, which is no latent; got {head!r} for {anchor=}"
            )
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.latent_dim, self.num_codebooks = latent_dim, num_codebooks
        self.codebook_size, self.codebook_dim = codebook_size, codebook_dim
        self.chart = chart
        self.assignment, self.affinity_temperature = assignment, affinity_temperature
        self.anchor, self.anchor_dim = anchor, anchor_dim
        self.identification = Identification(
            temperature=temperature, ties=ties, num_negatives=num_negatives, negatives=negatives
        )
        inner = num_codebooks * codebook_dim
        self.project_in, self.project_out = nn.Linear(latent_dim, inner), nn.Linear(inner, latent_dim)
        self.anchor_head = nn.Linear(anchor_dim, inner) if head == "own" else None
        self.vectors = nn.Parameter(
            chart.towards(torch.randn(num_codebooks, codebook_size, codebook_dim) * codebook_dim**-0.5)
        )
        self.initialization, self.revival, self.decay = initialization, revival, decay
        self.register_buffer("hits", torch.ones(num_codebooks, codebook_size))
        self.draws = Draws()
        self.first_draws = Draws()  # of the start alone: one step of it says that entries have been placed
        if chart.unit:
            # Of vectors of length one torch's own weights would make channels of z_q that begin at about a seventh of
            # one, and a decoder learns far more slowly from so little (docs/log.md).
            bound = (3 / num_codebooks) ** 0.5  # of uniform weights, by which they begin with variance one
            nn.init.uniform_(self.project_out.weight, -bound, bound)
        with torch.no_grad():
            self.project_in.bias.zero_()  # latents start small; a bias would send all of them one way
            if self.anchor_head is not None and anchor != "context":
                # The anchor of a latent starts at the vector that is searched for it.
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
        return frozenset({"contrastive", "diversity", "commitment", "codebook"})

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """The nearest entry of each group."""
        parts = self._parts(self.project_in(_rows(z)))
        found = [highest(u, entries, None) for u, entries in zip(parts, self._entries(), strict=True)]
        return tuple(codes.view(len(z), *z.shape[2:]) for codes in found)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; every group is needed. Raises ValueError for fewer levels."""
        if len(codes) != self.num_codebooks:
            raise ValueError(f"groups decode together: give all {self.num_codebooks} levels, not {len(codes)}")
        q = [entries[level] for entries, level in zip(self._entries(), codes, strict=True)]
        return self._decoded(q).movedim(-1, 1)

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
                lowered = self.chart.lower(entries)
                decoded = F.linear(lowered, weight, self.project_out.bias if number == 0 else None)
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
        parts = self._parts(self.project_in(rows))
        if self._waits(parts):
            # Zero, with a gradient for every parameter, which processes wait for.
            nothing = 0.0 * torch.stack([value.sum() for value in self.parameters()]).sum()
            codes = [highest(u, entries, None) for u, entries in zip(parts, self._entries(), strict=True)]
            return self._laid_out(z, valid, parts, codes, dict.fromkeys(sorted(self.loss_names()), nothing))
        self._revive(parts)
        codes, assigned, diversity, committed, followed = [], [], [], [], []
        for u, entries in zip(parts, self._entries(), strict=True):
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
            chosen = entries[codes[-1]]
            committed.append((u - chosen.detach()).square().sum(1))
            followed.append((u.detach() - chosen).square().sum(1))
            diversity.append((-entropies(u / self.affinity_temperature, entries)[1]).exp())
        positions = torch.full((len(z),), z[0, 0].numel()) if mask is None else mask.flatten(1).sum(1)
        contrastive = self.identification(
            self._heads(anchors),
            torch.cat([group.identified for group in assigned], 1),
            self._names([group.codes for group in assigned]),
            positions,
            generator,
        )
        self._count(codes)
        losses = {
            "contrastive": contrastive,
            "diversity": 1 - torch.stack(diversity).mean(),
            "commitment": _group_mean(torch.stack(committed, 1).mean(1)),
            "codebook": _group_mean(torch.stack(followed, 1).mean(1)),
        }
        return self._laid_out(z, valid, [group.decoded for group in assigned], codes, losses)

    def _laid_out(
        self,
        z: Float[Tensor, "b d *l"],
        valid: Bool[Tensor, " m"] | None,
        decoded: Sequence[Float[Tensor, "n w"]],
        codes: Sequence[Int64[Tensor, " n"]],
        losses: dict[str, Tensor],
    ) -> Quantized:
        """What rows became, on the grid of z; decoded and codes: of each group, at the valid positions."""
        rows, found = self._decoded(decoded), torch.stack(list(codes))
        if valid is not None:
            rows = z.new_zeros(len(valid), self.latent_dim).masked_scatter(valid[:, None], rows)
            found = found.new_zeros(len(found), len(valid)).masked_scatter(valid, found)
        grid = (len(z), *z.shape[2:])
        return Quantized(
            z_q=rows.view(*grid, self.latent_dim).movedim(-1, 1),
            codes=tuple(level.view(grid) for level in found),
            losses=losses,
        )

    @torch.no_grad()
    def _waits(self, parts: Sequence[Float[Tensor, "n w"]]) -> bool:
        """Whether the entries are still to be placed, which the first batch at their share of the run does."""
        if self.initialization is None or int(self.first_draws.steps):
            return False
        if self.progress < self.initialization.start or rows_of_group(parts[0])[0] == 0:
            return True
        generator = self.first_draws.next()
        placed = [self.initialization(u, self.codebook_size, generator) for u in parts]
        self.vectors.copy_(F.normalize(torch.stack(placed), dim=-1))
        return False

    @torch.no_grad()
    def _revive(self, parts: Sequence[Float[Tensor, "n w"]]) -> None:
        """Entries that nothing chooses start again from vectors; before the entries are read, which backward needs."""
        if self.revival is None or rows_of_group(parts[0])[0] == 0:
            return
        for hits, entries, u in zip(self.hits, self.vectors, parts, strict=True):
            dead = self.revival.dead(hits, int(self.draws.steps), self.progress)
            if len(dead):
                entries[dead] = sample(u, len(dead), self.first_draws.next())
                hits[dead] = hits.mean()

    @torch.no_grad()
    def _count(self, codes: Sequence[Int64[Tensor, " n"]]) -> None:
        if self.revival is None:
            return
        found = torch.stack([torch.bincount(level, minlength=self.codebook_size) for level in codes])
        self.hits.mul_(self.decay).add_(sum_over_group(found).to(self.hits), alpha=1 - self.decay)

    def _heads(self, anchors: Float[Tensor, "n c"]) -> Float[Tensor, "n inner"]:
        if self.anchor_head is None:
            return torch.cat(self._parts(self.project_in(anchors)), 1)
        parts = self.anchor_head(anchors).split(self.codebook_dim, 1)
        return torch.cat([self.chart.towards(part) for part in parts], 1)

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
        return tuple(self.chart.lift(part).contiguous() for part in inner.split(self.codebook_dim, 1))

    def _decoded(self, q: Sequence[Float[Tensor, "*n e"]]) -> Float[Tensor, "*n latent_dim"]:
        """z_q of what each group has on the sphere."""
        return self.project_out(torch.cat([self.chart.lower(own) for own in q], -1))


def _rows(z: Float[Tensor, "b d *l"]) -> Float[Tensor, "n d"]:
    return z.movedim(1, -1).reshape(-1, z.shape[1])


def _group_mean(each: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """The mean over the positions of all processes, of several a part of it; zero, with its gradient, without any."""
    return part_of_group_mean(each.mean() if len(each) else each.sum(), len(each))
