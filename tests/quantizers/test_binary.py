import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from vector_quantize_pytorch import LFQ

from signaltok.parts import Quantizer
from signaltok.quantizers.binary_spherical import BinarySphericalQuantizer
from signaltok.quantizers.entropy import CodeEntropy
from signaltok.quantizers.lookup_free import LookupFreeQuantizer

CLASSES = [LookupFreeQuantizer, BinarySphericalQuantizer]
classes = pytest.mark.parametrize("kind", CLASSES, ids=["lfq", "bsq"])


def entropy(temperature: float = 0.01) -> CodeEntropy:
    return CodeEntropy(temperature=temperature, early_factor=1.0, early_until=0.0)


def build(kind: type, bits: int, latent_dim: int | None = None, of: CodeEntropy | None = None) -> Quantizer:
    return kind(latent_dim=latent_dim or bits, bits=bits, entropy=of)


@classes
def test_every_code_of_eighteen_bits_is_found_again_also_from_half_precision(kind: type) -> None:
    # Sums of powers of two in bfloat16 are exact to 256 alone.
    quantizer = build(kind, 18).eval()
    codes = torch.arange(2**18).view(4, -1)
    vectors = quantizer.decode((codes,))
    assert torch.equal(quantizer.encode(vectors)[0], codes)
    for dtype in (torch.bfloat16, torch.float16):
        assert torch.equal(quantizer(vectors.to(dtype)).codes[0], codes)


def test_codes_of_thirty_two_bits_are_positive_integers() -> None:
    quantizer = build(LookupFreeQuantizer, 32)
    (codes,) = quantizer.encode(torch.ones(1, 32, 2))
    assert codes.dtype == torch.int64 and codes.tolist() == [[2**32 - 1] * 2] and quantizer.codebook_sizes == (2**32,)
    assert torch.equal(quantizer.decode((codes,)), torch.ones(1, 32, 2))


@classes
def test_the_vectors_have_the_papers_values(kind: type) -> None:
    quantizer = build(kind, 9).eval()
    z = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0))
    expected = torch.sign(z) / (3 if kind is BinarySphericalQuantizer else 1)
    assert torch.allclose(quantizer(z).z_q, expected, rtol=0, atol=1e-7)
    assert torch.equal(quantizer.encode(torch.zeros(1, 9, 1))[0], torch.zeros(1, 1, dtype=torch.int64))


@pytest.mark.parametrize(("kind", "spherical"), [(CLASSES[0], False), (CLASSES[1], True)])
def test_vectors_and_losses_equal_the_library(kind: type, spherical: bool) -> None:
    theirs = LFQ(dim=6, codebook_size=64, spherical=spherical, entropy_loss_weight=1.0).train()
    ours = build(kind, 6, of=entropy(0.25)).train()
    z = 0.3 * torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0))
    # Its floor under the logarithm does not matter for probabilities of this temperature.
    result, parts = theirs(z, inv_temperature=4.0, return_loss_breakdown=True)
    quantized = ours(z)
    assert torch.allclose(quantized.z_q, result.quantized, atol=1e-6)
    reversed_bits = sum((quantized.codes[0] >> i & 1) << (5 - i) for i in range(6))
    assert torch.equal(reversed_bits, result.indices.long())
    assert torch.allclose(quantized.losses["entropy_sample"], parts.per_sample_entropy, atol=1e-4)
    assert torch.allclose(math.log(64) - quantized.losses["entropy_deficit"], parts.batch_entropy, atol=1e-4)
    if not spherical:
        assert torch.allclose(quantized.losses["commitment"], (z - z.sign()).square().mean(), atol=1e-6)


def test_the_gradient_of_the_sphere_is_that_of_the_normalised_latent() -> None:
    quantizer = build(BinarySphericalQuantizer, 5).train()
    z = torch.randn(2, 5, 4, requires_grad=True)
    upstream = torch.randn(2, 5, 4)
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    (expected,) = torch.autograd.grad(F.normalize(z, dim=1), z, upstream)
    assert torch.allclose(through, expected, atol=1e-6)


class LargestTensor(TorchDispatchMode):
    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


@classes
def test_eighteen_bits_have_no_table_and_coding_allocates_none(kind: type) -> None:
    with LargestTensor() as seen:
        quantizer = build(kind, 18, latent_dim=20, of=entropy()).eval()
        z = torch.randn(2, 20, 4, 4)
        quantizer.decode(quantizer.encode(z))
        state = [*quantizer.state_dict().values(), *quantizer.buffers()]
    assert quantizer.code_vectors() == () and max(value.numel() for value in state) <= 18 * 20
    assert seen.elements <= 2 * 20 * 16


@classes
def test_without_an_entropy_there_is_only_the_commitment(kind: type) -> None:
    quantizer = build(kind, 4).train()
    assert set(quantizer(torch.randn(2, 4, 3)).losses) == quantizer.loss_names() == {"commitment"}
    assert build(kind, 4, of=entropy()).loss_names() == {"commitment", "entropy_sample", "entropy_deficit"}


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_the_entropy_keeps_the_codes_in_use(weight: float) -> None:
    # Latents that begin in one orthant. The commitment alone leaves them on its one code; with the entropy they
    # spread over most of the 64.
    generator = torch.Generator().manual_seed(0)
    quantizer = build(LookupFreeQuantizer, 6, of=entropy(1.0)).train()
    z = (0.5 + 0.1 * torch.randn(4, 6, 64, generator=generator)).requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.2)
    for _ in range(60):
        optimizer.zero_grad()
        losses = quantizer(z).losses
        (0.25 * losses["commitment"] + weight * (losses["entropy_sample"] + losses["entropy_deficit"])).backward()
        optimizer.step()
    used = len(quantizer.encode(z)[0].unique())
    assert used == 1 if weight == 0 else used >= 50, used


@classes
@pytest.mark.parametrize("bits", [0, 33])
def test_impossible_bits_are_refused(kind: type, bits: int) -> None:
    with pytest.raises(ValueError, match=f"got {bits}"):
        build(kind, bits, latent_dim=4)


def test_an_entropy_over_too_many_codes_is_refused() -> None:
    with pytest.raises(ValueError, match="take fewer codes"):
        build(LookupFreeQuantizer, 32, of=entropy())
