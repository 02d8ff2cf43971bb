"""A semantic quantizer beside an acoustic one."""

import copy

import pytest
import torch
from plain import residual, vector

from signaltok.parts import Quantizer
from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.projection import pointwise
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.quantizers.split import SplitQuantizer

DIM = 6


def stack(dropout: float = 0.0) -> ResidualQuantizer:
    return residual(vector(3), dropout=dropout)


def build(
    semantic: Quantizer | None = None,
    other: Quantizer | None = None,
    unquantized: float = 0.0,
    residual: bool = False,
    orthogonal: bool = False,
) -> SplitQuantizer:
    return SplitQuantizer(
        latent_dim=DIM,
        semantic=semantic or vector(2),
        acoustic=other or stack(),
        residual=residual,
        unquantized=unquantized,
        orthogonal=orthogonal,
    ).train()


def test_the_levels_see_one_latent_and_their_vectors_are_added() -> None:
    quantizer, z = build(), torch.randn(2, DIM, 40)
    quantizer(z)
    quantizer.eval()
    codes = quantizer.encode(z)
    assert quantizer.codebook_sizes == (16,) * 4 and len(codes) == 4
    inner = [torch.einsum("ij,bjl->bil", layer.weight, z) for layer in (quantizer.to_semantic, quantizer.to_acoustic)]
    for own, expected in zip(
        codes, quantizer.semantic.encode(inner[0]) + quantizer.acoustic.encode(inner[1]), strict=True
    ):
        assert torch.equal(own, expected)
    semantic = torch.einsum("ij,bjl->bil", quantizer.from_semantic.weight, quantizer.semantic.decode(codes[:1]))
    assert torch.allclose(quantizer.decode(codes[:1]), semantic, atol=1e-6)
    for kept in (2, 4):
        others = quantizer.acoustic.decode(codes[1:kept])
        expected = semantic + torch.einsum("ij,bjl->bil", quantizer.from_acoustic.weight, others)
        assert torch.allclose(quantizer.decode(codes[:kept]), expected, atol=1e-6)


def test_what_the_semantic_levels_alone_give_is_told_in_training() -> None:
    quantizer, z = build(unquantized=0.5), torch.randn(3, DIM, 40)
    quantizer(z)
    before = copy.deepcopy(quantizer).eval()
    mask = torch.arange(40).view(1, 1, -1) < torch.tensor([40, 7, 20]).view(-1, 1, 1)
    learned = quantizer(z, mask)
    assert torch.allclose(learned.semantic, before.decode(learned.codes[:1]) * mask, atol=1e-6)


def test_the_gradient_is_the_sum_of_the_members_maps() -> None:
    quantizer = build().double()
    z, upstream = torch.randn(2, DIM, 40).double(), torch.randn(2, DIM, 40).double()
    quantizer(z)
    z.requires_grad_()
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    # Each member's inner latent receives its gradient exactly once: dz_q / dz = B_s A_s + B_a A_a.
    maps = quantizer.from_semantic.weight @ quantizer.to_semantic.weight
    maps = maps + quantizer.from_acoustic.weight @ quantizer.to_acoustic.weight
    assert torch.allclose(through, torch.einsum("ij,bil->bjl", maps, upstream), atol=1e-12)


def test_in_line_acoustic_levels_see_what_the_semantic_one_left() -> None:
    quantizer, z = build(residual=True), torch.randn(2, DIM, 40)
    quantizer(z)
    quantizer.eval()
    codes = quantizer.encode(z)
    assert torch.equal(codes[0], quantizer.semantic.encode(pointwise(quantizer.to_semantic, z))[0])
    left = z - quantizer.decode(codes[:1])
    expected = quantizer.acoustic.encode(torch.einsum("ij,bjl->bil", quantizer.to_acoustic.weight, left))
    for own, other in zip(codes[1:], expected, strict=True):
        assert torch.equal(own, other)
    aside = build()
    aside.load_state_dict(quantizer.state_dict())
    beside = aside.eval().encode(z)
    assert torch.equal(beside[0], codes[0]) and not torch.equal(beside[1], codes[1])
    assert torch.equal(aside.decode(codes), quantizer.decode(codes))
    assert torch.equal(quantizer(z).z_q, quantizer.decode(codes))


def test_in_line_training_searches_as_encoding_does() -> None:
    quantizer, z = build(residual=True), torch.randn(2, DIM, 40)
    quantizer(z)
    before = copy.deepcopy(quantizer).eval()
    learned = quantizer(z)
    for own, other in zip(learned.codes, before.encode(z), strict=True):
        assert torch.equal(own, other)
    assert torch.allclose(learned.z_q, before.decode(learned.codes), atol=1e-6)
    assert torch.allclose(learned.semantic, before.decode(learned.codes[:1]), atol=1e-6)


def test_in_line_the_gradient_is_that_of_the_composition_without_rounding() -> None:
    quantizer = build(residual=True).double()
    z, upstream = torch.randn(2, DIM, 40).double(), torch.randn(2, DIM, 40).double()
    quantizer(z)
    z.requires_grad_()
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    # dz_q / dz = B_s A_s + B_a A_a (I - B_s A_s): the residual is not cut off.
    semantic = quantizer.from_semantic.weight @ quantizer.to_semantic.weight
    acoustic = quantizer.from_acoustic.weight @ quantizer.to_acoustic.weight
    maps = semantic + acoustic @ (torch.eye(DIM).double() - semantic)
    assert torch.allclose(through, torch.einsum("ij,bil->bjl", maps, upstream), atol=1e-12)
    assert not torch.allclose(maps, semantic + acoustic, atol=1e-3)


def test_losses_are_means_over_all_levels() -> None:
    quantizer, z = build(), torch.randn(2, DIM, 40)
    quantizer(z)
    alone = copy.deepcopy(quantizer)
    maps = ((alone.to_semantic, alone.semantic), (alone.to_acoustic, alone.acoustic))
    semantic, acoustic = (part(pointwise(layer, z)).losses["commitment"] for layer, part in maps)
    torch.testing.assert_close(quantizer(z).losses["commitment"], (semantic + 3 * acoustic) / 4)


def test_unquantized_items_go_on_as_their_latent_and_are_learned_from() -> None:
    quantizer, z = build(unquantized=0.5), torch.randn(64, DIM, 5)
    quantizer(z)
    quantized = quantizer(z)
    passed = (quantized.z_q == z).flatten(1).all(1)
    assert 16 < int(passed.sum()) < 48
    counts = quantizer.semantic.table.counts.sum()
    quantizer(z)
    assert float((quantizer.semantic.table.counts.sum() - 0.9 * counts) / 0.1) == pytest.approx(320, rel=1e-3)
    mask = torch.ones(64, 1, 5, dtype=torch.bool)
    mask[:, :, 3:] = False
    padded = quantizer(z.masked_fill(~mask, torch.nan), mask).z_q
    assert padded.isfinite().all() and not padded[:, :, 3:].any()
    assert not (quantizer.eval()(z).z_q == z).any()


def test_dropout_leaves_the_semantic_level_on() -> None:
    quantizer, z = build(other=stack(dropout=1.0)), torch.randn(32, DIM, 5)
    quantizer(z)
    active = quantizer(z).active
    assert active is not None and active.shape == (32, 4)
    assert active[:, :2].all() and not active.all()


def test_members_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="same losses"):
        build(vector(2, update=Gradient(decay=0.9)))
    with pytest.raises(ValueError, match=r"got 1\.0"):
        build(unquantized=1.0)


@pytest.mark.parametrize("residual", [False, True])
def test_maps_that_begin_as_rotations_let_the_latent_pass(residual: bool) -> None:
    torch.manual_seed(0)
    quantizer = build(residual=residual, orthogonal=True)
    pairs = ((quantizer.to_semantic, quantizer.from_semantic), (quantizer.to_acoustic, quantizer.from_acoustic))
    for there, back in pairs:
        width = len(there.weight)
        assert torch.allclose(there.weight @ there.weight.T, torch.eye(width), atol=1e-6)
        assert torch.equal(back.weight, there.weight.T / (1 if residual else 2))
