"""Residual quantization: what each level adds, and quantizer dropout."""

import copy

import pytest
import torch
from plain import lattice, residual, vector
from torch.nn import functional as F

from signaltok.data.read_image import read_image
from signaltok.parts import Quantizer
from signaltok.quantizers import residual as residual_module
from signaltok.quantizers.codebook.initialization import DataSample, KMeans
from signaltok.quantizers.codebook.update import ExponentialMovingAverage, Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.gumbel import GumbelQuantizer
from signaltok.quantizers.residual import ResidualQuantizer


def level(dim: int = 4, size: int = 16, **changes: object) -> VectorQuantizer:
    return vector(dim, size, **{"initialization": KMeans(iterations=5)} | changes)


def build(inner: Quantizer | None = None, *, num_codebooks: int = 3, dropout: float = 0.0, dim: int = 4):
    return residual(inner or level(), latent_dim=dim, num_codebooks=num_codebooks, dropout=dropout).train()


def test_every_level_lowers_the_distortion_of_real_patches(photos) -> None:
    picture = read_image(photos / "canyon0.jpg")[None, :, :128, :128]
    z = F.pixel_unshuffle(picture, 4)[:, :8].contiguous()
    quantizer = build(level(8, 32), num_codebooks=4, dim=8)
    quantizer(z)
    quantizer.eval()
    codes = quantizer.encode(z)
    distortions = [float((quantizer.decode(codes[:count]) - z).square().mean()) for count in range(1, 5)]
    assert distortions == sorted(distortions, reverse=True) and distortions[3] < 0.5 * distortions[0]


def test_each_level_quantizes_what_the_levels_before_it_left() -> None:
    quantizer, z = build(), torch.randn(2, 4, 5)
    quantizer(z)
    quantizer.eval()
    codes, left = quantizer.encode(z), z
    for part, own in zip(quantizer.levels, codes, strict=True):
        assert torch.equal(part.encode(left)[0], own)
        left = left - part.decode((own,))
    assert torch.allclose(z - quantizer.decode(codes), left, atol=1e-6)


def test_levels_are_separate_and_sizes_are_listed() -> None:
    quantizer = build(level(4, 8), num_codebooks=4)
    assert quantizer.codebook_sizes == (8, 8, 8, 8)
    quantizer(torch.randn(2, 4, 20))
    first, second = quantizer.code_vectors()[:2]
    assert not torch.equal(first.searched, second.searched)


def test_the_commitment_is_the_mean_over_levels_and_each_reaches_the_latent() -> None:
    quantizer = build()
    z = torch.randn(2, 4, 30)
    quantizer(z)
    tables = [part.table.vectors.clone() for part in quantizer.levels]
    z.requires_grad_()
    quantized = quantizer(z)
    residual, losses = z, []
    for vectors, codes in zip(tables, quantized.codes, strict=True):
        q = vectors[codes].movedim(-1, 1)
        losses.append((residual - q).square().mean())
        residual = residual - q
    expected = torch.stack(losses).mean()
    assert torch.allclose(quantized.losses["commitment"], expected)
    (ours,) = torch.autograd.grad(quantized.losses["commitment"], z, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected, z)
    assert torch.allclose(ours, theirs, atol=1e-7)


def test_dropout_switches_off_the_last_levels_of_some_items() -> None:
    quantizer = build(dropout=0.5)
    z = torch.randn(64, 4, 5)
    quantizer(z)
    quantized = quantizer(z)
    active = quantized.active
    assert active is not None and active.shape == (64, 3)
    assert active[:, 0].all(), "the first level is always in use"
    assert (active[:, :-1] | ~active[:, 1:]).all(), "what is off is a tail of the levels"
    assert {1, 2, 3} == set(active.sum(1).tolist())
    assert all(int(codes.min()) >= 0 for codes in quantized.codes)
    assert quantizer.eval()(z).active is None


def test_an_item_with_levels_off_is_the_sum_of_its_active_levels() -> None:
    quantizer = build(dropout=1.0)
    z = torch.randn(16, 4, 5)
    quantizer(z)
    tables = [part.table.vectors.clone() for part in quantizer.levels]
    quantized = quantizer(z)
    active = quantized.active
    assert active is not None and not active.all()
    shares = [
        vectors[codes].movedim(-1, 1) * active[:, number].view(-1, 1, 1)
        for number, (vectors, codes) in enumerate(zip(tables, quantized.codes, strict=True))
    ]
    assert torch.allclose(quantized.z_q, sum(shares), atol=1e-6)


def test_items_with_a_level_off_take_no_part_in_its_statistics() -> None:
    quantizer = build(dropout=1.0)
    z = torch.randn(32, 4, 5)
    quantizer(z)
    before = [part.table.counts.clone() for part in quantizer.levels]
    active = quantizer(z).active
    assert active is not None
    for number, part in enumerate(quantizer.levels):
        seen = ((part.table.counts - 0.9 * before[number]) / 0.1).sum()
        assert float(seen) == pytest.approx(5 * int(active[:, number].sum()), rel=1e-3)


@pytest.mark.parametrize("update", [ExponentialMovingAverage(decay=0.9, epsilon=1e-5), Gradient(decay=0.9)])
def test_losses_are_finite_where_dropout_leaves_a_level_nothing(update) -> None:
    quantizer = build(level(update=update), num_codebooks=8, dropout=1.0)
    empty = 0
    for _ in range(10):
        z = torch.randn(1, 4, 5, requires_grad=True)
        quantized = quantizer(z)
        assert quantized.active is not None
        empty += int((~quantized.active).sum())
        (quantized.z_q.sum() + sum(quantized.losses.values())).backward()
        assert z.grad is not None and z.grad.isfinite().all()
        assert all(loss.isfinite() for loss in quantized.losses.values())
    assert empty


def test_dropout_draws_depend_on_the_seed_and_the_step_alone() -> None:
    z = torch.randn(32, 4, 5)

    def actives(quantizer: ResidualQuantizer, steps: int) -> list[torch.Tensor]:
        found = [quantizer(z).active for _ in range(steps)]
        assert all(active is not None for active in found)
        return found  # type: ignore[return-value]

    torch.manual_seed(1)
    whole = build(dropout=0.5)
    first = actives(whole, 2)
    state = {name: value.clone() for name, value in whole.state_dict().items()}
    torch.rand(3)  # the global generator takes no part
    rest = actives(whole, 2)
    resumed = build(dropout=0.5)
    resumed.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(rest, actives(resumed, 2), strict=True))
    assert not torch.equal(first[0], first[1])


def test_items_of_a_process_get_their_slice_of_the_draws_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(9, 4, 5)
    torch.manual_seed(1)
    whole = build(dropout=0.5)
    shares = [copy.deepcopy(whole) for _ in range(2)]
    active = whole(z).active
    assert active is not None
    for quantizer, own in zip(shares, (slice(0, 4), slice(4, 9)), strict=True):
        monkeypatch.setattr(residual_module, "rows_of_group", lambda _, own=own: (9, own.start))
        part = quantizer(z[own]).active
        assert part is not None and torch.equal(part, active[own])


def test_levels_draw_apart_from_each_other_for_any_nesting() -> None:
    quantizer = build(build(dropout=0.5), num_codebooks=4, dropout=0.5)
    state = quantizer.state_dict()
    seeds = [int(value) for name, value in state.items() if name.endswith(".seed") and "draws" not in name]
    assert len(seeds) == len(set(seeds)) == 12
    seeds = [int(value) for name, value in state.items() if name.endswith("draws.seed")]
    assert len(seeds) == len(set(seeds)) == 5


def test_every_level_starts_from_rows_of_its_own() -> None:
    quantizer = build(level(initialization=DataSample()))
    quantizer(torch.randn(4, 4, 50))
    for vectors in quantizer.code_vectors():
        assert len(vectors.searched.unique(dim=0)) >= 14, "a level of zeros has one"


def test_without_dropout_there_is_no_state_of_draws() -> None:
    assert not any("draws" in name for name in build().state_dict())
    assert {"draws.seed", "draws.steps"} <= build(dropout=0.1).state_dict().keys()


def test_the_parts_of_a_projected_stack_add_up() -> None:
    quantizer = residual(level(2), latent_dim=6).train()
    z = torch.randn(2, 6, 7)
    quantizer(z)
    quantizer.eval()
    codes = quantizer.encode(z)
    parts = [own.decoded[chosen] for own, chosen in zip(quantizer.code_vectors(), codes, strict=True)]
    assert torch.allclose(torch.stack(parts).sum(0).movedim(-1, 1), quantizer.decode(codes), atol=1e-5)


def test_the_gradient_through_factorised_levels_is_that_of_the_stack_without_rounding() -> None:
    quantizer = residual(level(6, codebook_dim=2))
    quantizer = quantizer.double().train()
    z, upstream = torch.randn(2, 6, 5).double(), torch.randn(2, 6, 5).double()
    quantizer(z)
    z.requires_grad_()
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    left = torch.eye(6, dtype=torch.float64)
    for part in quantizer.levels:
        left = (torch.eye(6, dtype=torch.float64) - part.project_out.weight @ part.project_in.weight) @ left
    expected = torch.einsum("ij,bil->bjl", torch.eye(6, dtype=torch.float64) - left, upstream)
    assert torch.allclose(through, expected, atol=1e-12)


def test_every_factorised_level_learns_its_projections_by_the_reconstruction() -> None:
    quantizer = build(level(4, codebook_dim=2, metric="cosine"))
    z = torch.randn(2, 4, 30)
    quantizer(z)
    (quantizer(z).z_q - z).square().mean().backward()
    for name, parameter in quantizer.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_plain_levels_would_have_the_same_gradient_either_way() -> None:
    assert not build().factorised and build(level(4, codebook_dim=2)).factorised
    # With J = I the closed form I - (I - J)^n is one: what the plain stack gives directly.
    quantizer, z = build(), torch.randn(2, 4, 5)
    quantizer(z)
    z.requires_grad_()
    upstream = torch.randn(2, 4, 5)
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    assert torch.equal(through, upstream)


def test_the_first_level_sees_the_latent_itself_not_a_detached_copy() -> None:
    # A published RQ implementation detaches the residual before the first level: no commitment reaches its encoder.
    for shared in (False, True):
        quantizer = residual(level(), num_codebooks=1, shared=shared).train()
        z = torch.randn(2, 4, 30)
        quantizer(z)
        vectors = quantizer.levels[0].table.vectors.clone()
        z.requires_grad_()
        quantized = quantizer(z)
        (gradient,) = torch.autograd.grad(quantized.losses["commitment"], z)
        q = vectors[quantized.codes[0]].movedim(-1, 1)
        assert torch.allclose(gradient, 2 * (z.detach() - q) / z.numel(), atol=1e-7)


def test_shared_levels_are_one_codebook_that_counts_every_depth() -> None:
    quantizer = residual(level(), shared=True).train()
    assert quantizer.codebook_sizes == (16, 16, 16)
    assert len([name for name in quantizer.state_dict() if name.endswith("table.vectors")]) == 1
    z = torch.randn(2, 4, 30)
    quantizer(z)
    assert int(quantizer.levels[0].steps) == 3
    quantizer.eval()
    codes, (table, _, last) = quantizer.encode(z), quantizer.code_vectors()
    assert torch.equal(table.searched, last.searched)
    assert torch.allclose(quantizer.decode(codes), sum(table.decoded[own] for own in codes).movedim(-1, 1), atol=1e-6)
    distortions = [float((quantizer.decode(codes[:count]) - z).square().mean()) for count in (1, 2, 3)]
    assert distortions == sorted(distortions, reverse=True)


def fsq_stack(rescale: float, dropout: float = 0.0) -> ResidualQuantizer:
    return residual(lattice(4, [5, 5, 5, 5]), rescale=rescale, dropout=dropout)


def test_every_stage_of_residual_fsq_is_in_use_where_the_residual_is_rescaled() -> None:
    # Without it (as in a published ResFSQ) what is left rounds to zero on nearly every channel.
    z = torch.randn(4, 4, 500) * 0.5
    used = {}
    for rescale in (1.0, 4.0):
        quantizer = fsq_stack(rescale).eval()
        codes = quantizer.encode(z)
        used[rescale] = [len(own.unique()) / 625 for own in codes]
        distortions = [float((quantizer.decode(codes[:count]) - z).square().mean()) for count in (1, 2, 3)]
        if rescale > 1:
            assert distortions[2] < 0.5 * distortions[1] < 0.25 * distortions[0]
    assert min(used[4.0]) > 0.1 and used[4.0][2] > 5 * used[1.0][2], used


def test_dropout_leaves_a_level_out_of_z_q_whatever_the_level_does_with_its_mask() -> None:
    quantizer = fsq_stack(4.0, dropout=1.0).train()
    z = torch.randn(32, 4, 5)
    quantized = quantizer(z)
    assert quantized.active is not None and not quantized.active.all()
    for item, used in enumerate(quantized.active.sum(1).tolist()):
        codes = tuple(own[item : item + 1] for own in quantized.codes[:used])
        assert torch.allclose(quantized.z_q[item : item + 1], quantizer.decode(codes), atol=1e-6)


def test_a_nested_stack_drops_whole_outer_levels() -> None:
    quantizer = build(build(num_codebooks=2), num_codebooks=3, dropout=1.0)
    z = torch.randn(32, 4, 5)
    quantizer(z)
    quantizer.draws.seed.fill_(3)
    tables = copy.deepcopy(quantizer).eval()
    quantized = quantizer(z)
    assert quantized.active is not None and {2, 4, 6} == set(quantized.active.sum(1).tolist())
    for item, used in enumerate(quantized.active.sum(1).tolist()):
        codes = tuple(own[item : item + 1] for own in quantized.codes[:used])
        assert torch.allclose(quantized.z_q[item : item + 1], tables.decode(codes), atol=1e-6)


def test_arguments_out_of_range_are_refused_with_their_values() -> None:
    with pytest.raises(ValueError, match="got 0"):
        build(num_codebooks=0)
    with pytest.raises(ValueError, match=r"got 1\.5"):
        build(dropout=1.5)
    with pytest.raises(ValueError, match=r"at least 1, got 0\.5"):
        residual(level(), rescale=0.5)


def test_logits_of_gumbel_levels_learn_through_z_q() -> None:
    quantizer = build(
        GumbelQuantizer(
            latent_dim=4,
            codebook_size=16,
            temperature_start=1.0,
            temperature_end=0.5,
            annealed_by=1.0,
            late_start=0.0,
            initialization=None,
            sharpness=1.0,
        )
    )
    z = torch.randn(2, 4, 3, 3, requires_grad=True)
    quantizer(z).z_q.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in quantizer.parameters())
    assert z.grad is not None and z.grad.abs().sum() > 0
