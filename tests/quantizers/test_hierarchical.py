"""Two grids: what each depends on, and how the gradient passes them."""

import copy

import pytest
import torch
from plain import lattice, vector

from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.hierarchical import HierarchicalQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.types.token_stack import valid_mask


def build(**changes: object) -> HierarchicalQuantizer:
    plain = {"latent_dim": 6, "axes": 2, "width": 8, "depth": 1, "top": vector(3), "bottom": vector(4)}
    return HierarchicalQuantizer(**plain | changes).train()


def trained() -> HierarchicalQuantizer:
    quantizer = build()
    for _ in range(3):
        quantizer(torch.randn(4, 6, 8, 8))
    return quantizer


def test_the_bottom_depends_on_the_quantized_top() -> None:
    quantizer = trained().eval()
    z = torch.randn(1, 6, 7, 10)
    top, bottom = quantizer.encode(z)
    assert top.shape == (1, 4, 5) and bottom.shape == (1, 7, 10)
    with torch.no_grad():
        quantizer.top.table.vectors.neg_()
        quantizer.top.table.vectors.mul_(3)
    assert not torch.equal(quantizer.encode(z)[1], bottom), "the same latent, another top vector"


def test_the_top_sees_what_the_bottom_does_not() -> None:
    quantizer = trained().eval()
    z = torch.randn(1, 6, 8, 8)
    top, bottom = quantizer.encode(z)
    other = (top + 1) % 16
    changed = (quantizer.decode((top, bottom)) - quantizer.decode((other, bottom))).abs().amax(1)
    assert changed.shape == (1, 8, 8) and bool((changed > 0).all())


def test_an_item_in_a_padded_batch_is_the_item_alone() -> None:
    quantizer = trained()
    sizes = [(7, 8), (8, 5), (3, 1)]
    batch = torch.randn(3, 6, 8, 8)
    alone = copy.deepcopy(quantizer).eval()
    quantized = quantizer(batch, valid_mask(torch.tensor(sizes), (8, 8)))
    for number, (height, width) in enumerate(sizes):
        item = batch[number : number + 1, :, :height, :width].contiguous()
        own = alone(item)
        assert torch.allclose(quantized.z_q[number : number + 1, :, :height, :width], own.z_q, atol=1e-4)
        beyond = quantized.z_q[number].clone()
        beyond[:, :height, :width] = 0
        assert not beyond.any()


def test_the_gradient_is_that_of_the_hierarchy_without_rounding() -> None:
    quantizer = trained().double()
    plain = build(top=IdentityQuantizer(latent_dim=3), bottom=IdentityQuantizer(latent_dim=4)).double()
    state = {name: value for name, value in quantizer.state_dict().items() if name in plain.state_dict()}
    plain.load_state_dict(state)
    # Linear between the rounded latents, so that the gradient does not depend on their values.
    for one in (quantizer, plain):
        one.encode_top, one.decode_top = torch.nn.ModuleList(), torch.nn.ModuleList()
    z, upstream = torch.randn(2, 6, 6, 7).double().requires_grad_(), torch.randn(2, 6, 6, 7).double()
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    (expected,) = torch.autograd.grad(plain(z).z_q, z, upstream)
    assert torch.allclose(through, expected, atol=1e-12)


def test_losses_are_means_over_the_grids_and_reach_the_latent() -> None:
    quantizer = build(top=vector(3, update=Gradient(decay=0.9)), bottom=vector(4, update=Gradient(decay=0.9)))
    z = torch.randn(2, 6, 8, 8, requires_grad=True)
    losses = quantizer(z).losses
    assert set(losses) == {"commitment", "codebook"} == quantizer.loss_names()
    (gradient,) = torch.autograd.grad(losses["commitment"], z)
    assert gradient.abs().sum() > 0


def test_misuse_is_told() -> None:
    with pytest.raises(ValueError, match="the same losses"):
        build(top=lattice(3, [3, 3, 3]))
    with pytest.raises(ValueError, match="grids of its own"):
        build(top=build(latent_dim=3))
    quantizer = trained().eval()
    with pytest.raises(ValueError, match="all 2 levels, got 1"):
        quantizer.decode(quantizer.encode(torch.randn(1, 6, 4, 4))[:1])
