"""The laws of docs/design.md, section 1, over every quantizer of the table."""

import importlib
import inspect
import json
import pkgutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quantizer_table import DIM, QUANTIZERS, Row

import signaltok.quantizers
from signaltok.artifact.describe import build, describe
from signaltok.parts import Quantizer
from signaltok.types.token_stack import WHOLE, grid_lengths, grid_size, valid_mask

NO_CODES = {"identity"}  # the one exception to the laws
rows = pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in QUANTIZERS.items()])
coded = pytest.mark.parametrize(
    "row", [pytest.param(row, id=name) for name, row in QUANTIZERS.items() if name not in NO_CODES]
)


def latent(size: tuple[int, ...] = (6, 7), batch: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, DIM, *size, generator=torch.Generator().manual_seed(seed))


def grids(quantizer: Quantizer, size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The grid of every level of a latent of this size."""
    rules = zip(quantizer.level_strides, quantizer.level_shares, strict=True)
    return [grid_size(size, (stride,) * len(size), share) for stride, share in rules]


def trained(row: Row) -> Quantizer:
    """After two steps on random latents, so that codebooks are initialised and have moved."""
    torch.manual_seed(0)
    quantizer = row.build().train()
    for step in range(2):
        quantizer.advance(step / 2)
        quantizer(latent(seed=10 + step))
    return quantizer


def test_the_table_holds_every_quantizer_of_the_package() -> None:
    found = set()
    for module in pkgutil.walk_packages(signaltok.quantizers.__path__, "signaltok.quantizers."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and issubclass(value, Quantizer) and not inspect.isabstract(value):
                found.add(value)
    assert found == {type(row.build()) for row in QUANTIZERS.values()}


@coded
@settings(max_examples=8, deadline=None)
@given(
    size=st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple),
    batch=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_law_1_forward_in_eval_is_the_looked_up_vector(row: Row, size: tuple, batch: int, seed: int) -> None:
    quantizer = trained(row).eval()
    size = size if row.axes is None else (*size, 3)[: row.axes]
    z = latent(size, batch, seed)
    quantized = quantizer(z)
    assert torch.equal(quantized.z_q, quantizer.decode(quantizer.encode(z)))
    assert quantized.z_q.shape == z.shape and quantized.z_q.dtype == torch.float32
    for level, codes, grid in zip(quantizer.codebook_sizes, quantized.codes, grids(quantizer, size), strict=True):
        assert codes.dtype == torch.int64 and codes.shape == (batch, *grid)
        assert codes.min() >= 0 and codes.max() < level


@coded
def test_law_1_encoding_changes_nothing_in_either_mode(row: Row) -> None:
    quantizer = trained(row)
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    random = torch.get_rng_state()
    codes = [quantizer.train(training).encode(latent()) for training in (True, False, True)]
    assert all(torch.equal(a, b) for other in codes[1:] for a, b in zip(codes[0], other, strict=True))
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random) and quantizer.training


@rows
def test_law_2_statistics_losses_and_vectors_ignore_padding(row: Row) -> None:
    mask = torch.ones(2, 1, 6, 7, dtype=torch.bool)
    mask[1, :, :, 4:] = False
    results = []
    for fill in (0.0, 1000.0):
        quantizer = trained(row)
        torch.manual_seed(1)
        quantized = quantizer(latent().masked_fill(~mask, fill), mask)
        results.append((quantized, quantizer.state_dict()))
    (one, state), (other, other_state) = results
    assert torch.equal(one.z_q.masked_select(mask), other.z_q.masked_select(mask))
    rules = zip(quantizer.level_strides, quantizer.level_shares, strict=True)
    for (stride, share), a, b in zip(rules, one.codes, other.codes, strict=True):
        lengths = grid_lengths(torch.tensor([[6, 7], [6, 4]]), (stride, stride), share)
        valid = valid_mask(lengths, tuple(a.shape[1:]))[:, 0]
        assert torch.equal(a[valid], b[valid])
    assert all(torch.equal(value, other.losses[name]) for name, value in one.losses.items())
    assert all(torch.equal(value, other_state[name]) for name, value in state.items())


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in QUANTIZERS.items() if row.inner])
def test_law_4_the_straight_through_gradient_to_the_inner_latent_is_one(row: Row) -> None:
    quantizer = trained(row)
    assert row.inner is not None
    z = latent().requires_grad_()
    upstream = latent(seed=5)
    (through,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    (expected,) = torch.autograd.grad(row.inner(quantizer, z), z, upstream)
    assert torch.equal(through, expected)


@rows
def test_law_5_every_trainable_parameter_receives_a_gradient(row: Row) -> None:
    quantizer = trained(row)
    quantizer.zero_grad()
    z = latent().requires_grad_()
    quantized = quantizer(z)
    (quantized.z_q * latent(seed=5) + sum(quantized.losses.values())).sum().backward()
    for name, parameter in [*quantizer.named_parameters(), ("z", z)]:
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name


@coded
def test_law_6_described_built_and_loaded_gives_the_same_codes(row: Row) -> None:
    quantizer = trained(row).eval()
    again = build(json.loads(json.dumps(describe(quantizer))))
    again.load_state_dict(quantizer.state_dict())
    again.eval()
    assert again.codebook_sizes == quantizer.codebook_sizes
    for one, other in zip(quantizer.encode(latent()), again.encode(latent()), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(quantizer(latent()).z_q, again(latent()).z_q)


@rows
def test_losses_are_the_declared_ones_and_finite(row: Row) -> None:
    quantizer = trained(row)
    losses = quantizer(latent()).losses
    assert set(losses) == quantizer.loss_names()
    assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())
    assert quantizer.eval()(latent()).losses == {}


@coded
def test_training_codes_are_integers_in_range(row: Row) -> None:
    quantizer = trained(row)
    found = quantizer(latent()).codes
    for size, codes, grid in zip(quantizer.codebook_sizes, found, grids(quantizer, (6, 7)), strict=True):
        assert codes.dtype == torch.int64 and codes.shape == (2, *grid)
        assert codes.min() >= 0 and codes.max() < size


@rows
def test_low_precision_latents_are_quantized_in_float32(row: Row) -> None:
    quantizer = trained(row)
    with torch.autocast("cpu", torch.bfloat16):
        assert quantizer(latent().bfloat16()).z_q.dtype == torch.float32


@rows
def test_listed_vectors_are_the_decoded_ones(row: Row) -> None:
    quantizer = trained(row).eval()
    vectors = quantizer.code_vectors()
    assert len(vectors) in (0, len(quantizer.codebook_sizes))
    for size, level in zip(quantizer.codebook_sizes, vectors, strict=False):
        assert len(level.searched) == size and level.decoded.shape == (size, DIM)
    one_grid = {*quantizer.level_strides} <= {1} and {*quantizer.level_shares} <= {WHOLE}
    if vectors and one_grid:
        codes = quantizer.encode(latent())
        looked_up = sum(level.decoded[chosen] for level, chosen in zip(vectors, codes, strict=True)).movedim(-1, 1)
        assert torch.allclose(looked_up, quantizer.decode(codes), atol=1e-5)
