"""What the contrastive quantizer keeps: its losses' closed forms, who learns by what, and the way out of a collapse."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from signaltok.objectives.objective import Objective
from signaltok.objectives.quantizer_loss import QuantizerLoss
from signaltok.quantizers.assignment import GumbelAssignment, NearestAssignment
from signaltok.quantizers.chart import Direction, Stereographic
from signaltok.quantizers.codebook.initialization import DataSample, LateInitialization
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.contrastive import ContrastiveQuantizer
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.types.quantized import Quantized

DIM = 6
NOTHING = dict.fromkeys(("contrastive", "diversity", "commitment", "codebook"), 0.0)


def build(**changes: object) -> ContrastiveQuantizer:
    torch.manual_seed(0)
    plain = {
        "latent_dim": DIM,
        "num_codebooks": 2,
        "codebook_size": 16,
        "codebook_dim": 4,
        "chart": Direction(),
        "assignment": NearestAssignment(),
        "affinity_temperature": 0.3,
        "anchor": "self",
        "anchor_dim": DIM,
        "head": "own",
        "temperature": 0.1,
        "ties": "keep",
        "num_negatives": 1000,
        "negatives": "batch",
        "initialization": None,
        "revival": None,
        "decay": 0.9,
    }
    return ContrastiveQuantizer(**plain | changes).train()


def latent(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(2, DIM, *size, generator=torch.Generator().manual_seed(seed))


def losses_of(quantized: Quantized) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in quantized.losses.items()}


def collapse(quantizer: ContrastiveQuantizer) -> None:
    """All vectors near one entry: latents are sent one way, where one entry stands and the others do not."""
    with torch.no_grad():
        bias = quantizer.project_in.bias.view(2, -1)
        bias.fill_(2.0)
        quantizer.vectors.copy_(F.normalize(-bias, dim=1)[:, None] + 0.3 * torch.randn_like(quantizer.vectors))
        quantizer.vectors[:, 3] = bias


def test_the_code_is_the_nearest_entry_on_the_sphere_and_z_q_a_map_of_the_chosen() -> None:
    quantizer, z = build().eval(), latent(3, 5)
    quantized = quantizer(z)
    inner = quantizer.project_in(z.movedim(1, -1)).unflatten(-1, (2, 4))
    q = []
    for group in range(2):
        entries = F.normalize(quantizer.vectors[group], dim=1)
        distances = torch.cdist(F.normalize(inner[..., group, :], dim=-1).reshape(-1, 4), entries)
        assert torch.equal(quantized.codes[group].flatten(), distances.argmin(1))
        q.append(entries[quantized.codes[group]])
    expected = quantizer.project_out(torch.cat(q, -1)).movedim(-1, 1)
    torch.testing.assert_close(quantized.z_q, expected)


def test_diversity_is_one_minus_the_mean_effective_share_of_entries() -> None:
    quantizer, z = build(), latent(4, 4)
    u = F.normalize(quantizer.project_in(z.movedim(1, -1).reshape(-1, DIM)).unflatten(1, (2, 4)), dim=2)
    affinities = torch.einsum("ngd,gvd->ngv", u, F.normalize(quantizer.vectors, dim=2)) / 0.3
    p = affinities.softmax(2).mean(0)
    expected = 1 - torch.distributions.Categorical(probs=p).entropy().exp().sum() / 32
    found = quantizer(z).losses["diversity"]
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found, [quantizer.vectors, quantizer.project_in.weight], retain_graph=True),
        torch.autograd.grad(expected, [quantizer.vectors, quantizer.project_in.weight]),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_commitment_and_codebook_are_one_squared_distance_that_pulls_one_side_each() -> None:
    quantizer, z = build(), latent(4, 4).requires_grad_()
    quantized = quantizer(z)
    u = F.normalize(quantizer.project_in(z.movedim(1, -1).reshape(-1, DIM)).unflatten(1, (2, 4)), dim=2)
    entries = F.normalize(quantizer.vectors, dim=2)
    chosen = torch.stack([entries[group][level.flatten()] for group, level in enumerate(quantized.codes)], 1)
    expected = (u - chosen).square().sum(2).mean()
    by_latents = torch.autograd.grad(expected, z, retain_graph=True)
    by_entries = torch.autograd.grad(expected, quantizer.vectors)
    both = [z, quantizer.vectors]
    for name, gradients in (("commitment", (*by_latents, None)), ("codebook", (None, *by_entries))):
        torch.testing.assert_close(quantized.losses[name], expected)
        found = torch.autograd.grad(quantized.losses[name], both, retain_graph=True, allow_unused=True)
        for one, other in zip(found, gradients, strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                torch.testing.assert_close(one, other)


def test_a_shared_head_compares_what_is_searched_and_has_nothing_of_its_own() -> None:
    own, shared = build(), build(head="shared", num_codebooks=1)
    assert {name.split(".")[0] for name in own.state_dict()} - {name.split(".")[0] for name in shared.state_dict()} == {
        "anchor_head"
    }
    one = build(num_codebooks=1)  # its head starts as the map that is shared
    shared.load_state_dict({k: v for k, v in one.state_dict().items() if not k.startswith("anchor_head")})
    z = latent(4, 4)
    torch.testing.assert_close(shared(z).losses["contrastive"], one(z).losses["contrastive"])
    with torch.no_grad():
        shared.project_in.weight.mul_(3.0)  # all that is compared is on the sphere
        one.project_in.weight.mul_(3.0)
        one.anchor_head.weight.copy_(torch.randn_like(one.anchor_head.weight))
    assert losses_of(shared(z))["contrastive"] < losses_of(one(z))["contrastive"]


def test_entries_are_placed_among_the_vectors_at_their_share_of_the_run_until_when_these_pass() -> None:
    quantizer = build(initialization=LateInitialization(start=0.4, then=DataSample()))
    z, drawn = latent(4, 4).requires_grad_(), quantizer.vectors.detach().clone()
    quantizer.advance(0.3)
    early = quantizer(z)
    u = F.normalize(quantizer.project_in(z.movedim(1, -1)).unflatten(-1, (2, 4)), dim=-1).flatten(-2)
    torch.testing.assert_close(early.z_q, quantizer.project_out(u).movedim(-1, 1))
    assert losses_of(early) == NOTHING
    assert [level.shape for level in early.codes] == [(2, 4, 4)] * 2 and torch.equal(quantizer.vectors, drawn)
    (early.z_q.square().sum() + sum(early.losses.values())).backward()
    assert all(value.grad is not None for value in quantizer.parameters()) and not quantizer.vectors.grad.any()
    quantizer.advance(0.4)
    quantizer(z)
    among = {tuple(row) for row in u.detach().view(-1, 2, 4)[:, 0].mul(1e4).round().int().tolist()}
    assert {tuple(row) for row in quantizer.vectors[0].detach().mul(1e4).round().int().tolist()} <= among
    placed = quantizer.vectors.detach().clone()
    again = build(initialization=LateInitialization(start=0.4, then=DataSample()))
    again.load_state_dict(quantizer.state_dict())
    for later in (quantizer, again):  # also after a resume
        later.advance(0.6)
        assert losses_of(later(3 * z + 1))["contrastive"] > 0
        assert torch.equal(later.vectors, placed)


def test_entries_that_nothing_chooses_start_again_from_vectors_and_the_others_stay() -> None:
    quantizer = build(num_codebooks=1, decay=0.5, revival=UsageRevival(threshold=0.2, every=4, until=0.9))
    z, drawn = latent(4, 4), quantizer.vectors.detach().clone()
    for _ in range(3):
        used = quantizer(z).codes[0].unique()
        assert torch.equal(quantizer.vectors, drawn)
    dead = (quantizer.hits[0] < 0.2 * quantizer.hits[0].mean()).nonzero()[:, 0]
    assert len(dead) and not set(dead.tolist()) & set(used.tolist())
    (quantizer(z).z_q.square().sum()).backward()  # what backward needs has not moved since
    moved = (quantizer.vectors[0] != drawn[0]).any(1).nonzero()[:, 0]
    assert torch.equal(moved, dead)
    u = F.normalize(quantizer.project_in(z.movedim(1, -1).reshape(-1, DIM)), dim=1)
    assert float(torch.cdist(quantizer.vectors[0, dead].detach(), u.detach()).amin(1).max()) < 1e-3
    quantizer.advance(0.95)
    settled = quantizer.vectors.detach().clone()
    for _ in range(8):
        quantizer(z)
    assert torch.equal(quantizer.vectors, settled)


@pytest.mark.parametrize("negatives", ["batch", "item"])
def test_a_collapsed_codebook_costs_ln_one_plus_n_with_ties_and_nothing_without(negatives) -> None:
    there = 15 if negatives == "item" else 31
    for ties, expected in (("keep", math.log(1 + there)), ("mask", 0.0)):
        quantizer = build(ties=ties, negatives=negatives)
        collapse(quantizer)
        quantized = quantizer(0.1 * latent(4, 4))
        assert all(bool((level == 3).all()) for level in quantized.codes)
        assert losses_of(quantized)["contrastive"] == pytest.approx(expected, rel=1e-6)


def test_entries_that_are_equal_are_ties_whatever_their_number() -> None:
    quantizer = build(ties="mask")
    with torch.no_grad():
        quantizer.vectors[:, :] = quantizer.vectors[:, :1]
    assert losses_of(quantizer(latent(4, 4)))["contrastive"] == 0.0


def train(quantizer: ContrastiveQuantizer, steps: int) -> tuple[float, list[int]]:
    """Contrastive alone, on points around 24 centres; the last loss and how many codes of each group are in use."""
    generator = torch.Generator().manual_seed(3)
    centres = torch.randn(24, DIM, generator=generator)
    optimizer = torch.optim.Adam(quantizer.parameters(), lr=5e-2)
    value = math.nan
    for _ in range(steps):
        chosen = torch.randint(24, (64,), generator=generator)
        z = 0.3 * (centres[chosen] + 0.1 * torch.randn(64, DIM, generator=generator)).T[None]
        loss = quantizer(z).losses["contrastive"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = float(loss.detach())
    return value, [len(level.unique()) for level in quantizer.encode(0.3 * centres.T[None])]


def test_it_recovers_from_collapse_with_ties_and_stays_there_without() -> None:
    kept, masked = (build(ties=ties, affinity_temperature=1.0) for ties in ("keep", "mask"))
    for quantizer in (kept, masked):
        collapse(quantizer)
    before = {name: value.clone() for name, value in masked.named_parameters()}
    assert train(masked, 5) == (0.0, [1, 1])
    # Not one step has moved anything.
    assert all(torch.equal(value, before[name]) for name, value in masked.named_parameters())
    assert train(kept, 1) == (pytest.approx(math.log(64), rel=1e-6), [1, 1])
    value, used = train(kept, 140)
    assert value < 0.6 * math.log(64) and min(used) >= 3 and sum(used) >= 8


def test_entries_that_nothing_chose_learn_through_diversity_alone() -> None:
    quantizer = build()
    z = latent(4, 4).requires_grad_()
    quantized = quantizer(z)
    unused = [
        torch.tensor([k for k in range(16) if k not in set(level.flatten().tolist())]) for level in quantized.codes
    ]
    assert all(len(missing) for missing in unused)
    through_q = quantized.losses["contrastive"] + quantized.z_q.square().sum()
    (by_q,) = torch.autograd.grad(through_q, quantizer.vectors, retain_graph=True)
    (by_diversity,) = torch.autograd.grad(quantized.losses["diversity"], quantizer.vectors)
    for group, missing in enumerate(unused):
        assert not by_q[group, missing].any() and bool(by_diversity[group, missing].any(1).all())
        used = quantized.codes[group].unique()
        assert bool(by_q[group, used].any(1).all())


@pytest.mark.parametrize("assignment", [NearestAssignment(), GumbelAssignment(start=2.0, end=0.5, until=0.5)])
def test_permuting_positions_permutes_codes(assignment) -> None:
    quantizer, z = build(assignment=assignment), latent(12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    one, other = quantizer(z), quantizer(z[..., order])
    assert all(torch.equal(a[:, order], b) for a, b in zip(one.codes, other.codes, strict=True))
    torch.testing.assert_close(one.losses["diversity"], other.losses["diversity"])


def test_with_all_positions_as_negatives_the_loss_is_that_of_any_order() -> None:
    quantizer, z = build(), latent(12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(quantizer(z).losses["contrastive"], quantizer(z[..., order]).losses["contrastive"])


def test_the_anchor_of_a_latent_starts_at_the_vector_searched_for_it() -> None:
    quantizer, z = build(), latent(3)
    rows = z.movedim(1, -1).reshape(-1, DIM)
    assert torch.equal(quantizer.anchor_head(rows), quantizer.project_in(rows))


@pytest.mark.parametrize("groups", [1, 4])
def test_what_is_decoded_begins_with_a_variance_of_one_a_channel(groups) -> None:
    quantizer = build(latent_dim=64, anchor_dim=64, num_codebooks=groups, codebook_size=256, codebook_dim=16)
    z_q = quantizer(torch.randn(4, 64, 64)).z_q.detach()
    assert 0.9 < float(z_q.var(correction=0)) < 1.1


def test_a_stereographic_chart_lets_latents_pass_whole_and_decodes_what_the_entries_stand_for() -> None:
    changes = {"chart": Stereographic(radius=3.0), "initialization": LateInitialization(start=0.4, then=DataSample())}
    quantizer, z = build(**changes), latent(4, 4)
    assert quantizer.vectors.shape == (2, 16, 5)
    torch.testing.assert_close(
        quantizer(z).z_q, quantizer.project_out(quantizer.project_in(z.movedim(1, -1))).movedim(-1, 1)
    )
    quantizer.advance(0.5)
    quantizer(z)
    quantizer.eval()
    quantized, (first, second) = quantizer(z), quantizer.code_vectors()
    rows = first.decoded[quantized.codes[0].flatten()] + second.decoded[quantized.codes[1].flatten()]
    torch.testing.assert_close(quantized.z_q.movedim(1, -1).reshape(-1, DIM), rows)
    placed = 3 * F.normalize(quantizer.vectors, dim=-1)[..., :4] / (1 - F.normalize(quantizer.vectors, dim=-1)[..., 4:])
    among = quantizer.project_in(z.movedim(1, -1).reshape(-1, DIM)).unflatten(1, (2, 4)).movedim(1, 0)
    assert float(torch.cdist(placed.detach(), among.detach()).amin(2).max()) < 1e-3


def test_a_stereographic_anchor_of_its_own_starts_at_the_vector_searched_for_it() -> None:
    own, shared = (build(chart=Stereographic(radius=3.0), head=head) for head in ("own", "shared"))
    shared.load_state_dict({k: v for k, v in own.state_dict().items() if not k.startswith("anchor_head")})
    z = latent(4, 4)
    torch.testing.assert_close(own(z).losses["contrastive"], shared(z).losses["contrastive"])


def test_a_view_is_the_anchor_in_place_of_the_latent() -> None:
    plain, view = build(), build(anchor="view")
    z, other = latent(4, 4), latent(4, 4).requires_grad_()
    assert losses_of(plain(z)) == losses_of(view(z, anchor=z.clone()))
    quantized = view(z, anchor=other + 0.1 * latent(4, 4, seed=2))
    (gradient,) = torch.autograd.grad(quantized.losses["contrastive"], other)
    assert bool(gradient.any())


def test_a_context_has_a_width_of_its_own_and_ignores_padding() -> None:
    quantizer = build(anchor="context", anchor_dim=9)
    z, mask = latent(8), torch.ones(2, 1, 8, dtype=torch.bool)
    mask[1, :, 5:] = False
    found = []
    for fill in (0.0, 1000.0):
        quantizer.draws.steps.zero_()
        context = torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(4)).masked_fill(~mask, fill)
        found.append(losses_of(quantizer(z, mask, anchor=context)))
    assert found[0] == found[1]
    # A context that says which code vector it goes with identifies it.
    told = build(anchor="context", anchor_dim=8, temperature=0.02, ties="mask")
    with torch.no_grad():
        told.anchor_head.weight.copy_(torch.eye(8))
        told.anchor_head.bias.zero_()
    entries = F.normalize(told.vectors, dim=2)
    q = torch.cat([entries[group][level] for group, level in enumerate(told.encode(z))], -1).movedim(-1, 1)
    assert losses_of(told(z, anchor=q.detach()))["contrastive"] < 0.5


def test_evaluation_needs_no_anchor() -> None:
    quantizer, z = build(anchor="context", anchor_dim=9).eval(), latent(5)
    assert torch.equal(quantizer(z).z_q, quantizer(z, anchor=torch.zeros(2, 9, 5)).z_q)


def test_what_nothing_gives_is_an_error_before_the_first_step() -> None:
    terms = {"contrastive": QuantizerLoss(name="contrastive")}
    objective = Objective(terms=terms, weights={"contrastive": 1.0})
    objective.check(build())
    for quantizer in (
        build(anchor="view"),
        GroupedQuantizer(latent_dim=DIM, num_groups=2, member=build(anchor="view")),
    ):
        with pytest.raises(ValueError, match=r"anchor is a view, which nothing in this run gives.*anchor=self"):
            objective.check(quantizer)
    with pytest.raises(ValueError, match=r"anchor=view must be given in training"):
        build(anchor="view")(latent(4))


def test_an_anchor_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 6, 3\), expected \(2, 6, 4\)"):
        build(anchor="view")(latent(4), anchor=latent(3))
    with pytest.raises(ValueError, match=r"\(2, 6, 4\), expected \(2, 9, 4\)"):
        build(anchor="context", anchor_dim=9)(latent(4), anchor=latent(4))


def test_fewer_levels_do_not_decode() -> None:
    quantizer = build().eval()
    with pytest.raises(ValueError, match="give all 2 levels, not 1"):
        quantizer.decode(quantizer.encode(latent(4))[:1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_codebooks": 0}, "got 0, 16 and 4"),
        ({"codebook_size": 1}, "got 2, 1 and 4"),
        ({"codebook_dim": 1}, r"codebook_dim 2 \(for a sphere\), got 2, 16 and 1"),
        ({"codebook_dim": 0, "chart": Stereographic(radius=1.0)}, r"codebook_dim 1 .*got 2, 16 and 0"),
        ({"affinity_temperature": 0.0}, r"got 0\.0"),
        ({"anchor": "other"}, "anchor must be one of .*'other'"),
        ({"anchor_dim": 7}, r"latent_dim \(6\) for anchor=self, got 7"),
        ({"anchor": "context", "anchor_dim": 0}, "got 0"),
        ({"ties": "drop"}, "'drop'"),
        ({"decay": 1.0}, r"decay must lie in \[0, 1\), got 1\.0"),
        ({"head": "other"}, r"head must be one of .*'other'"),
        ({"head": "shared", "anchor": "context"}, "own for a context.*got 'shared'"),
    ],
)
def test_arguments_out_of_range_are_refused_with_their_values(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_padding_alone_gives_zeros() -> None:
    quantizer = build()
    quantized = quantizer(latent(3).requires_grad_(), torch.zeros(2, 1, 3, dtype=torch.bool))
    assert not quantized.z_q.any() and losses_of(quantized) == NOTHING
    (quantized.z_q.sum() + sum(quantized.losses.values())).backward()
    assert quantizer.project_in.weight.grad is not None and not quantizer.project_in.weight.grad.any()
