"""Multiscale quantization: VAR's own algorithm, any size, prefixes of levels, padding, gradients."""

import copy
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from plain import vector
from torch import Tensor, nn
from torch.nn import functional as F

import signaltok
from signaltok.cli.tokenize import read_header
from signaltok.data.read_image import read_image
from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.language.decoding import to_stack
from signaltok.quantizers.codebook.initialization import KMeans
from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.quantizers.smoothing import PartlySharedConvolutions
from signaltok.store.plan import Item
from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import TokenStack, valid_mask

VAR = [1, 2, 3, 4, 5, 6, 8, 10, 13, 16]


def smoothing(dim: int = 4) -> PartlySharedConvolutions:
    return PartlySharedConvolutions(axes=2, width=dim, count=4, ratio=0.5)


def build(level: VectorQuantizer | None = None, dim: int = 4, **changes: object) -> MultiscaleQuantizer:
    plain = {"scales": [1, 2, 4], "shared": True, "upsampling": "cubic", "smoothing": None, "orthogonal": False}
    return MultiscaleQuantizer(latent_dim=dim, level=level or vector(dim), **plain | changes).train()


def by_the_paper(
    f: Tensor, vectors: Tensor, convolutions: nn.ModuleList
) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """VAR's encoding, written out for 16 x 16: codes, f^, and the two losses."""
    rest, f_hat, codes, commitment, codebook = f.detach(), torch.zeros_like(f), [], 0.0, 0.0
    ticks = torch.linspace(1 / 12, 11 / 12, 4)
    for number, side in enumerate(VAR):
        seen = F.interpolate(rest, size=(side, side), mode="area")
        index = torch.cdist(seen.movedim(1, -1).flatten(0, 2), vectors.detach()).argmin(1).view(-1, side, side)
        h = F.interpolate(vectors[index].movedim(-1, 1), size=(16, 16), mode="bicubic")
        phi = convolutions[int((ticks - number / 9).abs().argmin())]
        h = 0.5 * h + 0.5 * phi(h)
        f_hat, rest = f_hat + h, rest - h.detach()
        codes.append(index)
        commitment = commitment + (f - f_hat.detach()).square().mean() / 10
        codebook = codebook + (f.detach() - f_hat).square().mean() / 10
    return codes, f_hat, commitment, codebook


def test_at_var_s_size_codes_vectors_losses_and_gradients_are_var_s() -> None:
    level = vector(size=64, update=Gradient(decay=0.9))
    quantizer = build(level, scales=VAR, smoothing=smoothing()).double()
    assert quantizer.smoothing is not None
    z = torch.randn(2, 4, 16, 16, dtype=torch.float64)
    quantizer(z)  # takes its first vectors
    weight = quantizer.levels[0].table.weight
    z.requires_grad_()
    codes, f_hat, commitment, codebook = by_the_paper(z, weight, quantizer.smoothing.convolutions)
    quantized = quantizer(z)
    assert all(torch.equal(a, b) for a, b in zip(quantized.codes, codes, strict=True))
    assert [tuple(own.shape[1:]) for own in quantized.codes] == [(side, side) for side in VAR]
    assert torch.allclose(quantized.z_q, f_hat, atol=1e-10)
    assert torch.allclose(quantized.losses["scale_commitment"], commitment)
    assert torch.allclose(quantized.losses["scale_codebook"], codebook)
    ours = quantized.losses["scale_commitment"] + quantized.losses["scale_codebook"]
    inputs = [z, weight, *quantizer.smoothing.parameters()]
    for one, other in zip(
        torch.autograd.grad(ours, inputs), torch.autograd.grad(commitment + codebook, inputs), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-10)
    assert torch.equal(quantizer.eval()(z).z_q, quantizer.decode(tuple(codes)))


def test_a_shared_codebook_starts_from_all_cells_and_not_from_the_coarsest_scale() -> None:
    quantizer = build(vector(size=64, update=Gradient(decay=0.9)), scales=[1, 16])
    quantizer(torch.randn(2, 4, 16, 16))
    assert len(quantizer.levels[0].table.weight.unique(dim=0)) == 64, "the coarsest scale has two rows"


def test_scales_are_strides_where_they_divide_and_shares_where_not() -> None:
    quantizer = build(scales=VAR)
    assert quantizer.level_strides == (16, 8, 1, 4, 1, 1, 2, 1, 1, 1)
    assert quantizer.level_shares == (*[(1, 1)] * 2, (3, 16), (1, 1), (5, 16), (3, 8), (1, 1), (5, 8), (13, 16), (1, 1))
    assert build(scales=[1, 2, 4]).level_strides == (4, 2, 1)


def test_grids_of_sizes_that_are_no_multiple() -> None:
    quantizer = build(scales=[1, 2, 5])
    quantizer(torch.randn(2, 4, 10, 10))
    codes = quantizer.eval().encode(torch.randn(1, 4, 7, 11))
    assert [tuple(own.shape[1:]) for own in codes] == [(2, 3), (3, 5), (7, 11)]
    assert quantizer.decode(codes).shape == (1, 4, 7, 11)


def test_an_item_in_a_padded_batch_is_the_item_alone() -> None:
    quantizer = build(scales=[1, 2, 3, 4], smoothing=smoothing(), shared=False)
    quantizer(torch.randn(4, 4, 9, 8))
    alone, sizes = copy.deepcopy(quantizer).eval(), [(9, 8), (5, 7), (2, 1)]
    batch = torch.randn(3, 4, 9, 8)
    quantized = quantizer(batch, valid_mask(torch.tensor(sizes), (9, 8)))
    for number, (height, width) in enumerate(sizes):
        own = alone(batch[number : number + 1, :, :height, :width].contiguous())
        assert torch.allclose(quantized.z_q[number : number + 1, :, :height, :width], own.z_q, atol=1e-5)
        for together, codes in zip(quantized.codes, own.codes, strict=True):
            assert torch.equal(together[number : number + 1, : codes.shape[1], : codes.shape[2]], codes)


def test_the_gradient_through_factorised_scales_is_that_of_the_stack_without_rounding() -> None:
    level = vector(4, codebook_dim=2, metric="euclidean")
    quantizer = build(level, scales=[1, 2], shared=False, upsampling="nearest").double()
    z, upstream = torch.randn(1, 4, 6).double(), torch.randn(1, 4, 6).double()
    quantizer(z)
    z.requires_grad_()
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)

    def unrounded(x: Tensor) -> Tensor:
        rest = x
        for number, part in enumerate(quantizer.levels):
            coarse = F.avg_pool1d(rest, 2) if number == 0 else rest
            found = part.project_out(part.project_in(coarse.movedim(1, -1))).movedim(-1, 1)
            rest = rest - (found.repeat_interleave(2, 2) if number == 0 else found)
        return x - rest

    (expected,) = torch.autograd.grad(unrounded(z), z, upstream)
    assert torch.allclose(through, expected, atol=1e-12)


def tokenizer(scales: list[int] | None = None) -> Tokenizer:
    """Trained for a step on a photograph; stride 4, so that 13 of 16 cells are no whole number of pixels."""
    torch.manual_seed(0)
    shape = {"axes": 2, "channels": 3, "stride": 4, "widths": [8, 8], "depth": 1, "latent_dim": 4}
    return Tokenizer(
        encoder=ConvEncoder(**shape),
        quantizer=build(scales=scales or [1, 3, 13, 16], smoothing=smoothing()),
        decoder=ConvDecoder(**shape),
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    )


def photo(photos: Path, height: int, width: int) -> Tensor:
    return read_image(photos / "canyon0.jpg")[None, :, :height, :width].contiguous()


def test_signals_of_any_size_batched_chunked_and_in_prefixes(photos: Path, tmp_path: Path) -> None:
    model = tokenizer().train()
    model(photo(photos, 64, 64))
    model.eval()
    signal = photo(photos, 150, 93)
    stack = model.encode(signal)
    assert [tuple(level.shape[1:]) for level in stack.levels] == [(3, 2), (8, 5), (31, 20), (38, 24)]
    decoded = model.decode(stack)
    assert decoded.shape == signal.shape and torch.equal(decoded, model(signal).signal)
    # The quantizer is given whole latents, so what is computed at a time changes nothing, coarse as a scale may be.
    for one, other in zip(model.encode(signal, chunk=32).levels, stack.levels, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(model.decode(stack, chunk=64), decoded)
    lengths = torch.tensor([[150, 93], [37, 50]])
    padded = torch.rand(2, 3, 150, 93) * 2 - 1
    padded[0], padded[1, :, :37, :50] = signal[0], signal[0, :, :37, :50]
    batch = model.encode(padded, lengths)
    small = model.encode(signal[:, :, :37, :50].contiguous())
    for number, alone in enumerate((stack, small)):
        for together, own in zip(batch.levels, alone.levels, strict=True):
            assert torch.equal(together[number : number + 1, : own.shape[1], : own.shape[2]], own)
    assert torch.equal(model.decode(batch)[1:, :, :37, :50], model.decode(small))
    for count in (1, 2, 3):
        assert model.decode(first(stack, count)).shape == signal.shape
    folder = model.save(tmp_path / "exported")
    header = read_header(folder)
    item = Item(key="a", levels=tuple(level[0].numpy() for level in stack.levels), signal_size=(150, 93))
    assert torch.equal(signaltok.load(folder).decode(to_stack(item, header)), decoded)
    assert header.shares == model.shares and model.shares == ((1, 1), (3, 16), (13, 16), (1, 1))


def first(stack: TokenStack, count: int) -> TokenStack:
    """The first levels alone."""
    assert stack.shares is not None
    return TokenStack(
        levels=stack.levels[:count],
        codebook_sizes=stack.codebook_sizes[:count],
        strides=stack.strides[:count],
        signal_size=stack.signal_size,
        lengths=stack.lengths[:count],
        shares=stack.shares[:count],
    )


def test_every_scale_lowers_the_distortion_of_real_patches(photos: Path) -> None:
    z = F.pixel_unshuffle(photo(photos, 128, 128), 4)[:, :8].contiguous()
    quantizer = build(vector(8, 32, initialization=KMeans(iterations=5)), dim=8, scales=[1, 2, 4, 8], shared=False)
    quantizer(z)
    quantizer.eval()
    codes = quantizer.encode(z)
    distortions = [
        float((quantizer.decode_levels(codes[:count], (32, 32)) - z).square().mean()) for count in range(1, 5)
    ]
    assert all(after < before for before, after in pairwise(distortions))


def test_misuse_is_told() -> None:
    for scales in ([], [2, 1], [1, 1], [0, 1]):
        with pytest.raises(ValueError, match="ascending"):
            build(scales=scales)
    with pytest.raises(ValueError, match="'linear'"):
        build(upsampling="linear")
    with pytest.raises(ValueError, match="list all scales in one"):
        build(build())
    quantizer = build()
    quantizer(torch.randn(1, 4, 8))
    with pytest.raises(ValueError, match="1 of 3 levels"):
        quantizer.decode(quantizer.encode(torch.randn(1, 4, 8))[:1])
