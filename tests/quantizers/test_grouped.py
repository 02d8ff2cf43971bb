"""Grouped quantization: each group is quantized as its member would alone."""

import pytest
import torch
from plain import lattice, residual, vector

from signaltok.quantizers.grouped import GroupedQuantizer


def test_a_group_sees_its_channels_and_no_others() -> None:
    quantizer = GroupedQuantizer(latent_dim=8, num_groups=2, member=vector()).train()
    z = torch.randn(3, 8, 5, 6)
    quantizer(z)
    quantizer.eval()
    first, second = quantizer.encode(z)
    assert torch.equal(first, quantizer.groups[0].encode(z[:, :4].contiguous())[0])
    other = z.clone()
    other[:, :4] = torch.randn(3, 4, 5, 6)
    changed = quantizer.encode(other)
    assert torch.equal(changed[1], second) and not torch.equal(changed[0], first)
    assert torch.equal(quantizer.decode((first, second))[:, 4:], quantizer.groups[1].decode((second,)))


def test_losses_are_means_over_the_groups() -> None:
    quantizer = GroupedQuantizer(latent_dim=8, num_groups=2, member=vector()).train()
    z = torch.randn(3, 8, 5)
    quantizer(z)
    tables = [group.table.vectors.clone() for group in quantizer.groups]
    quantized = quantizer(z)
    parts = [
        (part - table[codes].movedim(-1, 1)).square().mean()
        for part, table, codes in zip(z.split(4, dim=1), tables, quantized.codes, strict=True)
    ]
    assert set(quantized.losses) == quantizer.loss_names() == {"commitment"}
    assert torch.allclose(quantized.losses["commitment"], torch.stack(parts).mean())


def test_groups_draw_apart_and_differ() -> None:
    quantizer = GroupedQuantizer(latent_dim=8, num_groups=2, member=vector()).train()
    half = torch.randn(2, 4, 30)
    quantizer(torch.cat([half, half], dim=1))
    first, second = quantizer.code_vectors()
    assert not torch.equal(first.searched, second.searched)
    assert not first.decoded[:, 4:].any() and not second.decoded[:, :4].any()


def test_a_group_may_be_a_residual_stack_with_dropout() -> None:
    member = residual(vector(), dropout=1.0)
    quantizer = GroupedQuantizer(latent_dim=8, num_groups=2, member=member).train()
    quantized = quantizer(torch.randn(16, 8, 5))
    assert quantizer.codebook_sizes == (16,) * 6
    assert quantized.active is not None and quantized.active.shape == (16, 6)
    assert not torch.equal(quantized.active[:, :3], quantized.active[:, 3:]), "each group draws for itself"


def test_a_number_of_codes_that_no_single_book_has() -> None:
    quantizer = GroupedQuantizer(latent_dim=32, num_groups=8, member=vector(4, 64)).train()
    z = torch.randn(4, 32, 40)
    quantizer(z)
    quantizer.eval()
    whole = (quantizer(z).z_q - z).square().mean()
    one = GroupedQuantizer(latent_dim=32, num_groups=1, member=vector(32, 512)).train()
    # 160 vectors cannot fill 512 codes without memorising them: other data tells.
    one(z)
    fresh = torch.randn(4, 32, 40)
    assert (quantizer(fresh).z_q - fresh).square().mean() < (one.eval()(fresh).z_q - fresh).square().mean()
    assert whole < 0.6


def test_misuse_is_told() -> None:
    with pytest.raises(ValueError, match="got 0"):
        GroupedQuantizer(latent_dim=8, num_groups=0, member=vector())
    quantizer = GroupedQuantizer(
        latent_dim=4,
        num_groups=2,
        member=lattice(2, [5, 5]),
    )
    codes = quantizer.encode(torch.randn(1, 4, 3))
    with pytest.raises(ValueError, match="all 2 levels, not 1"):
        quantizer.decode(codes[:1])
