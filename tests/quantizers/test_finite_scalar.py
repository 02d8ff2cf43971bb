import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import lattice
from vector_quantize_pytorch import FSQ


@settings(max_examples=20, deadline=None)
@given(levels=st.lists(st.integers(3, 9), min_size=1, max_size=5), seed=st.integers(0, 2**31))
def test_codes_and_vectors_equal_the_library(levels: list[int], seed: int) -> None:
    ours, theirs = (
        lattice(len(levels), levels).eval(),
        FSQ(levels=levels),
    )
    z = 3 * torch.randn(2, len(levels), 4, 5, generator=torch.Generator().manual_seed(seed))
    quantized = ours(z)
    expected, indices = theirs(z)
    assert torch.equal(quantized.codes[0], indices.long())
    assert torch.equal(quantized.z_q, expected)


def test_codes_equal_the_library_behind_the_same_projections() -> None:
    torch.manual_seed(0)
    ours, theirs = (
        lattice(6, [8, 5, 5, 5]).eval(),
        FSQ(levels=[8, 5, 5, 5], dim=6),
    )
    theirs.project_in.load_state_dict(ours.project_in.state_dict())
    theirs.project_out.load_state_dict(ours.project_out.state_dict())
    z = 3 * torch.randn(2, 6, 8, 8)
    expected, indices = theirs(z)
    quantized = ours(z)
    assert torch.equal(quantized.codes[0], indices.long())
    assert torch.allclose(quantized.z_q, expected, atol=1e-6)


def test_every_code_is_found_again() -> None:
    quantizer = lattice(3, [4, 5, 3])
    codes = torch.arange(60)[None]
    values = quantizer.decode((codes,))
    half = torch.tensor([4, 5, 3]).view(1, 3, 1) // 2
    width = torch.tensor([3, 4, 2]).view(1, 3, 1) * 1.001 / 2
    offset = torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1)
    latent = torch.atanh((values * half + offset) / width) - torch.atanh(offset / width)
    assert torch.equal(quantizer.encode(latent)[0], codes)
    assert torch.equal(quantizer.code_vectors()[0].decoded.T[None], values)


def test_the_straight_through_gradient_is_one_to_the_bounded_latent() -> None:
    torch.manual_seed(0)
    quantizer = lattice(4, [8, 5, 5, 5]).train()
    z = torch.randn(2, 4, 3, 3, requires_grad=True)
    upstream = torch.randn(2, 4, 3, 3)
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    (expected,) = torch.autograd.grad(quantizer.inner(z).movedim(-1, 1), z, upstream)
    assert torch.equal(through, expected)


def test_training_gives_the_vectors_of_its_codes_and_moves_both_projections() -> None:
    torch.manual_seed(0)
    quantizer = lattice(6, [5, 5, 5]).train()
    quantized = quantizer(torch.randn(2, 6, 7))
    assert torch.equal(quantized.z_q, quantizer.decode(quantized.codes))
    assert quantized.losses == {}
    quantized.z_q.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in quantizer.parameters())


def test_a_large_book_has_no_table() -> None:
    assert lattice(6, [16] * 4).code_vectors()[0].decoded.shape == (65536, 6)
    large = lattice(6, [17] * 4)
    assert large.code_vectors() == () and large.codebook_sizes == (17**4,)


@pytest.mark.parametrize(("levels", "said"), [([], r"\[\]"), ([8, 2], r"\[8, 2\]"), ([1000] * 4, "1000000000000")])
def test_impossible_levels_are_refused(levels: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lattice(4, levels)


def test_codes_beyond_the_integers_of_bfloat16_are_found_from_half_precision() -> None:
    quantizer = lattice(6, [8, 8, 8, 5, 5, 5]).eval()
    latent = torch.randn(1, 6, 64, 64, generator=torch.Generator().manual_seed(0)) * 3
    for dtype in (torch.bfloat16, torch.float16):
        low = latent.to(dtype)
        with torch.autocast("cpu", dtype):
            (codes,) = quantizer(low).codes
        # Indices summed in bfloat16 would be right to 256 alone, and half of all codes would be lost.
        assert torch.equal(codes, quantizer.encode(low.float())[0])
        assert codes.unique().numel() > 2000 and (codes % 2 == 1).any() and int(codes.max()) > 60_000
