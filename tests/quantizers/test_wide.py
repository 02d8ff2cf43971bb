"""A stack of wide levels learned in one pass against the same stack written out level by level."""

import copy

import pytest
import torch
from plain import assert_left_the_same, padded, residual, vector
from torch import Tensor

from signaltok.parts import Quantizer
from signaltok.quantizers import residual as residual_module
from signaltok.quantizers.codebook.estimator import LateStart, StraightThrough
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.quantizers.wide import WideStack

LEVELS = {
    "averages": {},
    "revival": {"revival": UsageRevival(threshold=0.5, every=1, until=1.0)},
    "late": {"estimator": LateStart(start=0.5, then=StraightThrough())},
}


def stack(level: Quantizer, *, dropout: float = 0.0, shared: bool = False, rescale: float = 1.0) -> ResidualQuantizer:
    return residual(level, latent_dim=6, num_codebooks=4, shared=shared, rescale=rescale, dropout=dropout)


def latent(seed: int) -> Tensor:
    return torch.randn(3, 6, 40, generator=torch.Generator().manual_seed(seed)).double()


def steps(quantizer: ResidualQuantizer, mask: Tensor | None) -> dict[str, Tensor]:
    """Everything that three training steps leave behind."""
    left = {}
    for seed in range(3):
        z = latent(seed).requires_grad_()
        quantized = quantizer(z, mask)
        ((quantized.z_q * latent(seed + 10)).sum() + 3 * quantized.losses["commitment"]).backward()
        assert z.grad is not None
        left |= {f"{seed} z_q": quantized.z_q.detach(), f"{seed} gradient": z.grad}
        left |= {f"{seed} {name}": value.detach() for name, value in quantized.losses.items()}
        left |= {f"{seed} code {number}": codes for number, codes in enumerate(quantized.codes)}
    return left | quantizer.state_dict()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.7])
@pytest.mark.parametrize("name", LEVELS)
def test_training_is_that_of_the_stack_written_out(
    name: str, dropout: float, shared: bool, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    quantizer = stack(vector(6, 16, **LEVELS[name]), dropout=dropout, shared=shared).double().train()
    plain = copy.deepcopy(quantizer)
    mask = padded() if masked else None
    assert isinstance(quantizer._stack(), WideStack)
    found = steps(quantizer, mask)
    monkeypatch.setattr(residual_module, "wide_levels", lambda levels: None)
    expected = steps(plain, mask)
    assert_left_the_same(found, expected)


@pytest.mark.parametrize("shared", [False, True])
def test_codes_are_those_of_the_stack_written_out(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    quantizer = stack(vector(6, 16), shared=shared).train()
    quantizer(latent(0).float())
    z = latent(1).float()
    found = quantizer.eval().encode(z)
    monkeypatch.setattr(residual_module, "wide_levels", lambda levels: None)
    assert all(torch.equal(a, b) for a, b in zip(found, quantizer.encode(z), strict=True))


def test_only_levels_that_quantize_as_it_is_and_learn_by_averages_are_wide() -> None:
    assert isinstance(stack(vector(6))._stack(), WideStack)
    for level in (vector(6, metric="cosine"), vector(6, update=Gradient(decay=0.9)), vector(6, codebook_dim=2)):
        assert not isinstance(stack(level)._stack(), WideStack)
    assert stack(vector(6), rescale=2.0)._stack() is None


def test_what_it_keeps_for_the_backward_pass_is_its_own() -> None:
    """The next step moves the vectors in place; the gradient of this one stays."""
    torch.manual_seed(0)
    quantizer = stack(vector(6, 16)).double().train()
    z = latent(0).requires_grad_()
    commitment = quantizer(z).losses["commitment"]
    (expected,) = torch.autograd.grad(commitment, z, retain_graph=True)
    with torch.no_grad():
        quantizer(latent(1))
    (found,) = torch.autograd.grad(commitment, z)
    assert torch.equal(found, expected) and found.abs().amax() > 0
