"""SimVQ: the frozen codebook behind a trained map."""

import pytest
import torch
from plain import vector
from torch.nn import functional as F

from signaltok.quantizers.codebook.initialization import Gaussian
from signaltok.quantizers.codebook.projected import Projected
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.distributed import seeded


def build(**changes: object) -> VectorQuantizer:
    return vector(**{"update": Projected(decay=0.9), "initialization": Gaussian()} | changes)


def test_the_codebook_never_learns_and_the_map_does() -> None:
    quantizer = build().train()
    quantizer(torch.randn(1, 4, 9))  # starts
    frozen, weight = quantizer.table.frozen.clone(), quantizer.table.linear.weight.clone()
    optimizer = torch.optim.SGD(quantizer.parameters(), lr=0.1)
    for _ in range(3):
        quantizer(torch.randn(1, 4, 9)).losses["codebook"].backward()
        optimizer.step()
    assert {name for name, _ in quantizer.named_parameters()} == {"table.linear.weight", "table.linear.bias"}
    assert torch.equal(quantizer.table.frozen, frozen)
    assert not torch.equal(quantizer.table.linear.weight, weight)


def test_one_code_in_use_moves_all_codes() -> None:
    quantizer = build().train()
    quantizer(torch.randn(1, 4, 9))
    before = quantizer.table.vectors.detach().clone()
    # Towards twice the vector of a single code: W grows along that code, and every vector follows.
    quantizer(2 * before[3].view(1, 4, 1)).losses["codebook"].backward()
    torch.optim.SGD(quantizer.parameters(), lr=0.1).step()
    assert bool(((quantizer.table.vectors - before).abs().sum(1) > 0).all())


def test_the_codebook_loss_and_its_gradient_are_those_of_the_written_out_map() -> None:
    quantizer = build().double().train()
    z = torch.randn(1, 4, 9, dtype=torch.float64, requires_grad=True)
    quantizer(z)
    quantized = quantizer(z)
    table, rows = quantizer.table, z[0].T
    q = table.frozen[quantized.codes[0][0]] @ table.linear.weight.T + table.linear.bias
    torch.testing.assert_close(quantized.losses["codebook"], (q - rows).square().mean())
    quantized.losses["codebook"].backward()
    torch.testing.assert_close(table.linear.bias.grad, 2 * (q - rows).sum(0) / rows.numel())
    assert z.grad is None, "the latent moves by the commitment alone"


def test_codes_are_the_nearest_of_the_mapped_vectors() -> None:
    quantizer, z = build(codebook_size=300).train(), torch.randn(1, 4, 40)
    quantizer(z)
    vectors = F.linear(quantizer.table.frozen, quantizer.table.linear.weight, quantizer.table.linear.bias)
    expected = torch.cdist(z[0].T.double(), vectors.double()).argmin(1)
    assert torch.equal(quantizer.eval()(z).codes[0][0], expected)


def test_vectors_are_computed_once_a_forward() -> None:
    calls = []
    quantizer = build().train()
    quantizer(torch.randn(1, 4, 9))
    quantizer.table.linear.register_forward_hook(lambda *_: calls.append(1))
    quantizer(torch.randn(1, 4, 9))
    assert len(calls) == 1


def test_the_frozen_vectors_are_of_length_about_one_whatever_the_data() -> None:
    vectors = Gaussian()(1e3 * torch.randn(9, 64), 5000, seeded(torch.tensor(1), torch.tensor(0)))
    assert vectors.shape == (5000, 64)
    assert float(vectors.square().sum(1).mean()) == pytest.approx(1, abs=0.02)


def test_a_frozen_codebook_has_no_revival() -> None:
    with pytest.raises(ValueError, match=r"Projected moves all codes together.*set revival to null"):
        build(revival=UsageRevival(threshold=0.5, every=1, until=1.0))


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=str(decay)):
        Projected(decay=decay)
