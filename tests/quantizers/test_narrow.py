"""A stack computed in its levels' own dimensions against the same stack written out over the whole latent."""

import copy

import pytest
import torch
from plain import assert_left_the_same, padded, residual, vector
from torch import Tensor

from signaltok.quantizers import residual as residual_module
from signaltok.quantizers.codebook.estimator import Rotation
from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.residual import ResidualQuantizer

LEVELS = {
    "dac": {"metric": "angle", "update": Gradient(decay=0.9)},
    "averages": {},
    "cosine rotation": {"metric": "cosine", "estimator": Rotation()},
}


def build(name: str, *, dropout: float = 0.0, shared: bool = False, latent_dim: int = 6) -> ResidualQuantizer:
    torch.manual_seed(0)
    quantizer = residual(
        vector(6, 16, codebook_dim=2, **LEVELS[name]),
        latent_dim=latent_dim,
        num_codebooks=4,
        shared=shared,
        dropout=dropout,
    )
    quantizer = quantizer.double().train()
    for step in range(2):
        quantizer(latent(step))
    return quantizer


def latent(seed: int, dim: int = 6) -> Tensor:
    return torch.randn(3, dim, 40, generator=torch.Generator().manual_seed(seed)).double()


def step(quantizer: ResidualQuantizer, mask: Tensor | None) -> dict[str, Tensor]:
    """Everything a training forward and backward leaves behind."""
    z = latent(5).requires_grad_()
    quantized = quantizer(z, mask)
    ((quantized.z_q * latent(6)).sum() + sum(quantized.losses.values())).backward()
    assert z.grad is not None
    return {
        "z_q": quantized.z_q.detach(),
        "gradient": z.grad,
        **{f"loss {name}": value.detach() for name, value in quantized.losses.items()},
        **{f"code {number}": codes for number, codes in enumerate(quantized.codes)},
        **{f"gradient {name}": value.grad for name, value in quantizer.named_parameters()},
        **quantizer.state_dict(),
    }


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 1.0])
@pytest.mark.parametrize("name", LEVELS)
def test_a_training_step_is_that_of_the_stack_written_out(
    name: str, dropout: float, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantizer = build(name, dropout=dropout)
    plain = copy.deepcopy(quantizer)
    mask = padded() if masked else None
    assert quantizer._narrow() is not None
    found = step(quantizer, mask)
    monkeypatch.setattr(residual_module, "narrow_levels", lambda levels: None)
    expected = step(plain, mask)
    assert_left_the_same(found, expected)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", LEVELS)
def test_codes_and_vectors_are_those_of_the_stack_written_out(
    name: str, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantizer = build(name, shared=shared).eval()
    codes = quantizer.encode(latent(7))
    decoded = [quantizer.decode(codes[:count]) for count in (1, 3, 4)]
    monkeypatch.setattr(residual_module, "narrow_levels", lambda levels: None)
    assert all(torch.equal(a, b) for a, b in zip(codes, quantizer.encode(latent(7)), strict=True))
    for count, found in zip((1, 3, 4), decoded, strict=True):
        torch.testing.assert_close(found, quantizer.decode(codes[:count]))


def test_only_levels_that_reach_fewer_dimensions_by_linear_maps_are_narrow() -> None:
    assert build("dac")._narrow() is not None
    for level, rescale in (
        (vector(6, 16), 1.0),
        (vector(6, 16, codebook_dim=9), 1.0),
        (vector(6, codebook_dim=2), 2.0),
    ):
        wide = residual(level, num_codebooks=2, rescale=rescale)
        assert wide._narrow() is None
