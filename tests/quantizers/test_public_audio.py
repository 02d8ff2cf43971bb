"""Equal weights, equal codes: our residual stacks against encodec, vector-quantize-pytorch, snac and transformers.

Codes may differ only where float32 cannot tell two codes apart: there the two distances differ by less than CLOSE of
their size. What such a tie changes is left to the levels after it, so an item is compared up to its first tie.
"""

import warnings

import pytest
import torch
from encodec.quantization.core_vq import ResidualVectorQuantization
from plain import residual as plain_residual
from plain import vector
from torch import Tensor, nn
from transformers import DacConfig, MimiConfig
from transformers.models.dac.modeling_dac import DacResidualVectorQuantizer
from transformers.models.mimi.modeling_mimi import MimiSplitResidualVectorQuantizer
from vector_quantize_pytorch import ResidualVQ

from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.quantizers.split import SplitQuantizer

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # it scripts a function when it is imported
    from snac.vq import ResidualVectorQuantize

CLOSE = 1e-5


def residual(level: VectorQuantizer, count: int, dim: int, dropout: float = 0.0) -> ResidualQuantizer:
    return plain_residual(level, latent_dim=dim, num_codebooks=count, dropout=dropout)


def by_angle(dim: int, size: int, codebook_dim: int = 8) -> VectorQuantizer:
    return vector(dim, size, codebook_dim=codebook_dim, metric="angle", update=Gradient(decay=0.9))


@torch.no_grad()
def set_maps(level: VectorQuantizer, in_proj: nn.Conv1d, out_proj: nn.Conv1d, codes: Tensor) -> None:
    """The weights of a published factorised level."""
    level.project_in.weight.copy_(in_proj.weight[..., 0])
    level.project_in.bias.copy_(in_proj.bias)
    level.project_out.weight.copy_(out_proj.weight[..., 0])
    level.project_out.bias.copy_(out_proj.bias)
    level.table.start(codes)
    level.initialized.fill_(True)


@torch.no_grad()
def check_codes(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...], margins: list[Tensor]) -> None:
    """Equal codes up to the first near tie of each position; margins: of each level (second - best) / second best."""
    undecided = torch.zeros_like(ours[0], dtype=torch.bool)
    for own, other, margin in zip(ours, theirs, margins, strict=True):
        differ = own != other
        undecided |= margin < CLOSE
        assert not bool((differ & ~undecided).any()), f"{int((differ & ~undecided).sum())} codes differ without a tie"
    assert float(undecided.float().mean()) < 0.01, "the comparison would say nothing"


def margin(rows: Tensor, vectors: Tensor) -> Tensor:
    """Of float64 distances, for rows [b, n, d]."""
    two = torch.cdist(rows.double(), vectors.double()).square().topk(2, largest=False).values
    return (two[..., 1] - two[..., 0]) / two[..., 1]


def dac(dim: int, count: int, size: int = 256) -> tuple[DacResidualVectorQuantizer, ResidualQuantizer]:
    config = DacConfig(hidden_size=dim, codebook_dim=8, codebook_size=size, n_codebooks=count)
    theirs, ours = DacResidualVectorQuantizer(config), residual(by_angle(dim, size), count, dim)
    for own, other in zip(ours.levels, theirs.quantizers, strict=True):
        set_maps(own, other.in_proj, other.out_proj, other.codebook.weight)
    return theirs, ours


def dac_margins(theirs: DacResidualVectorQuantizer, z: Tensor) -> list[Tensor]:
    found, left = [], z.double()
    for level in theirs.quantizers.double():
        rows = nn.functional.normalize(level.in_proj(left), dim=1).transpose(1, 2)
        found.append(margin(rows, nn.functional.normalize(level.codebook.weight, dim=1)))
        left = left - level(left)[0]
    theirs.float()
    return found


@torch.no_grad()
def test_encodec_gives_the_same_codes_vectors_and_statistics_after_training_steps() -> None:
    torch.manual_seed(0)
    dim, count, size = 16, 4, 64
    theirs = ResidualVectorQuantization(
        num_quantizers=count, dim=dim, codebook_size=size, kmeans_init=False, threshold_ema_dead_code=0
    )
    ours = residual(vector(dim, size), count, dim)
    for own, other in zip(ours.levels, theirs.layers, strict=True):
        own.table.decay, own.table.epsilon = 0.99, 1e-5
        book = other._codebook
        book.cluster_size.fill_(1)  # as ours start; theirs at 0, which makes the first averages of other weights
        book.embed.copy_(torch.randn(size, dim))
        book.embed_avg.copy_(book.embed)
        own.table.start(book.embed)
        own.initialized.fill_(True)
    ours.train(), theirs.train()
    for _ in range(5):
        z = torch.randn(2, dim, 150)
        quantized, (z_q, codes, losses) = ours(z), theirs(z)
        assert torch.equal(torch.stack(quantized.codes), codes)
        torch.testing.assert_close(quantized.z_q, z_q, atol=1e-5, rtol=0)
        torch.testing.assert_close(quantized.losses["commitment"], losses.mean())
    for own, other in zip(ours.levels, theirs.layers, strict=True):
        torch.testing.assert_close(own.table.counts, other._codebook.cluster_size)
        torch.testing.assert_close(own.table.sums, other._codebook.embed_avg, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(own.table.vectors, other._codebook.embed, atol=1e-5, rtol=1e-4)
    ours.eval(), theirs.eval()
    z = torch.randn(2, dim, 400)
    codes = theirs.encode(z)
    margins, left = [], z
    for own, found in zip(ours.levels, codes, strict=True):
        margins.append(margin(left.transpose(1, 2), own.table.vectors))
        left = left - own.decode((found,))
    check_codes(ours.encode(z), tuple(codes), margins)
    for kept in (1, 3, 4):
        torch.testing.assert_close(ours.decode(tuple(codes[:kept])), theirs.decode(codes[:kept]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_vector_quantize_pytorch_gives_the_same_codes_and_vectors() -> None:
    torch.manual_seed(0)
    dim, count, size = 16, 4, 64
    theirs = ResidualVQ(dim=dim, num_quantizers=count, codebook_size=size).eval()
    ours = residual(vector(dim, size), count, dim).eval()
    for own, other in zip(ours.levels, theirs.layers, strict=True):
        own.table.start(torch.randn(size, dim))
        other._codebook.embed.copy_(own.table.vectors[None])
    z = torch.randn(2, dim, 400)
    z_q, codes, _ = theirs(z.transpose(1, 2))
    margins, left = [], z
    for own, found in zip(ours.levels, codes.unbind(-1), strict=True):
        margins.append(margin(left.transpose(1, 2), own.table.vectors))
        left = left - own.decode((found,))
    check_codes(ours.encode(z), codes.unbind(-1), margins)
    torch.testing.assert_close(ours.decode(codes.unbind(-1)), z_q.transpose(1, 2), atol=1e-5, rtol=0)


@torch.no_grad()
def test_dac_gives_the_same_codes_and_vectors() -> None:
    torch.manual_seed(0)
    theirs, ours = dac(48, 4)
    theirs.eval(), ours.eval()
    z = torch.randn(2, 48, 300)
    z_q, codes, *_ = theirs(z)
    check_codes(ours.encode(z), codes.unbind(1), dac_margins(theirs, z))
    torch.testing.assert_close(ours.decode(codes.unbind(1)), z_q, atol=1e-5, rtol=1e-5)
    fewer = theirs(z, 2)[0]
    torch.testing.assert_close(ours.decode(codes.unbind(1)[:2]), fewer, atol=1e-5, rtol=1e-5)


def test_dac_gives_the_same_losses_and_every_gradient() -> None:
    torch.manual_seed(0)
    theirs, ours = dac(24, 3, size=32)
    theirs, ours = theirs.double().train(), ours.double().train()
    theirs.quantizer_dropout = 0
    z, upstream = torch.randn(2, 24, 40).double(), torch.randn(2, 24, 40).double()
    mine, other = z.clone().requires_grad_(), z.clone().requires_grad_()
    quantized, (z_q, codes, _, commitment, codebook) = ours(mine), theirs(other)
    assert torch.equal(torch.stack(quantized.codes, 1), codes)
    torch.testing.assert_close(quantized.z_q, z_q)
    # Sums over levels there, means here.
    torch.testing.assert_close(3 * quantized.losses["commitment"], commitment.mean())
    torch.testing.assert_close(3 * quantized.losses["codebook"], codebook.mean())
    ((quantized.z_q * upstream).sum() + 3 * sum(quantized.losses.values())).backward()
    ((z_q * upstream).sum() + commitment.mean() + codebook.mean()).backward()
    torch.testing.assert_close(mine.grad, other.grad)
    for own, their in zip(ours.levels, theirs.quantizers, strict=True):
        torch.testing.assert_close(own.project_in.weight.grad, their.in_proj.weight.grad[..., 0])
        torch.testing.assert_close(own.project_in.bias.grad, their.in_proj.bias.grad)
        torch.testing.assert_close(own.project_out.weight.grad, their.out_proj.weight.grad[..., 0])
        torch.testing.assert_close(own.project_out.bias.grad, their.out_proj.bias.grad)
        torch.testing.assert_close(own.table.weight.grad, their.codebook.weight.grad)


@pytest.mark.parametrize("strides", [[4, 2, 1], [8, 4, 2, 1]])
def test_snac_gives_the_same_codes_and_vectors(strides: list[int]) -> None:
    torch.manual_seed(0)
    dim, size = 48, 256
    theirs = ResidualVectorQuantize(dim, size, 8, strides).eval()
    ours = MultiscaleQuantizer(
        latent_dim=dim,
        scales=[strides[0] // stride for stride in strides],
        level=by_angle(dim, size),
        shared=False,
        upsampling="nearest",
        smoothing=None,
        orthogonal=False,
    ).eval()
    for own, other in zip(ours.levels, theirs.quantizers, strict=True):
        set_maps(own, other.in_proj, other.out_proj, other.codebook.weight)
    assert ours.level_strides == tuple(strides)
    z = torch.randn(2, dim, 320)
    with torch.no_grad():
        z_q, codes = theirs(z)
        margins, left = [], z.double()
        for stride, level in zip(strides, theirs.quantizers.double(), strict=True):
            rows = level.in_proj(nn.functional.avg_pool1d(left, stride)).transpose(1, 2)
            books = nn.functional.normalize(level.codebook.weight, dim=1)
            fine = margin(nn.functional.normalize(rows, dim=-1), books).repeat_interleave(stride, dim=1)
            margins.append(fine)
            left = left - level(left)[0]
        found = ours.encode(z)
        spread = [
            [own.repeat_interleave(s, 1) for own, s in zip(side, strides, strict=True)] for side in (found, codes)
        ]
        check_codes(tuple(spread[0]), tuple(spread[1]), margins)
        torch.testing.assert_close(ours.decode(tuple(codes)), z_q, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.decode(tuple(codes)), theirs.float().from_codes(codes), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_mimi_gives_the_same_codes_and_vectors_for_any_number_of_levels() -> None:
    torch.manual_seed(0)
    dim, inner, size, count = 32, 12, 64, 5
    theirs = MimiSplitResidualVectorQuantizer(
        MimiConfig(
            hidden_size=dim,
            vector_quantization_hidden_dimension=inner,
            codebook_dim=inner,
            codebook_size=size,
            num_quantizers=count,
        )
    ).eval()
    ours = SplitQuantizer(
        latent_dim=dim,
        semantic=residual(vector(inner, size), 1, inner),
        acoustic=residual(vector(inner, size), count - 1, inner),
        residual=False,
        unquantized=0.0,
        orthogonal=False,
    ).eval()
    pairs = (
        (ours.to_semantic, ours.semantic, ours.from_semantic, theirs.semantic_residual_vector_quantizer),
        (ours.to_acoustic, ours.acoustic, ours.from_acoustic, theirs.acoustic_residual_vector_quantizer),
    )
    z, margins = torch.randn(2, dim, 300), []
    for project_in, own, project_out, other in pairs:
        project_in.weight.copy_(other.input_proj.weight[..., 0])
        project_out.weight.copy_(other.output_proj.weight[..., 0])
        left = other.input_proj(z).transpose(1, 2)
        for level, layer in zip(own.levels, other.layers, strict=True):
            layer.codebook.embed_sum.copy_(torch.randn(size, inner) * 0.5 * layer.codebook.cluster_usage[:, None])
            level.table.start(layer.codebook.embed)
            margins.append(margin(left, layer.codebook.embed))
            left = left - layer.decode(layer.encode(left.transpose(1, 2))).transpose(1, 2)
    codes = theirs.encode(z)
    check_codes(ours.encode(z), tuple(codes), margins)
    for kept in (1, 2, count):
        expected = theirs.decode(codes[:kept].transpose(0, 1))
        torch.testing.assert_close(ours.decode(tuple(codes[:kept])), expected, atol=1e-5, rtol=1e-5)
