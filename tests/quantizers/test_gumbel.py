"""The Gumbel-softmax quantizer against its closed forms."""

import math

import pytest
import torch
from torch import Tensor

from signaltok.quantizers.codebook.initialization import KMeans
from signaltok.quantizers.gumbel import ROWS_A_DRAW, GumbelQuantizer, divergence_from_uniform


def build(**changes: object) -> GumbelQuantizer:
    plain = {
        "latent_dim": 4,
        "codebook_size": 16,
        "temperature_start": 1.0,
        "temperature_end": 0.25,
        "annealed_by": 0.5,
        "late_start": 0.0,
        "initialization": None,
        "sharpness": 1.0,
    }
    return GumbelQuantizer(**plain | changes)


def rows_of(z: Tensor) -> Tensor:
    return z.movedim(1, -1).reshape(-1, z.shape[1])


def normalised(z: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the channels of every position."""
    centred = z - z.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()


def test_the_divergence_sums_over_codes_and_means_over_positions() -> None:
    logits = torch.randn(6, 5, dtype=torch.float64)
    uniform = torch.full((5,), 0.2, dtype=torch.float64)
    each = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=logits), torch.distributions.Categorical(probs=uniform)
    )
    torch.testing.assert_close(divergence_from_uniform(logits), each.mean())
    # Codes that are certain are as far from uniform as there are codes, however many positions.
    certain = torch.full((7, 5), -1e4).scatter_(1, torch.arange(7)[:, None] % 5, 0.0)
    assert float(divergence_from_uniform(certain)) == pytest.approx(math.log(5))
    assert float(divergence_from_uniform(torch.zeros(3, 5))) == pytest.approx(0.0, abs=1e-6)


def test_the_divergence_of_a_picture_is_that_of_its_positions_and_not_of_its_batch() -> None:
    # A known defect elsewhere: logits [b, K, h, w] reshaped to rows without moving the codes last.
    quantizer = build().train()
    z = torch.randn(2, 4, 3, 5)
    logits = (
        torch.einsum("kd,bdhw->bkhw", quantizer.to_logits.weight, normalised(z))
        + quantizer.to_logits.bias[:, None, None]
    )
    p = logits.softmax(1)
    expected = (p * (p * 16).log()).sum(1).mean()
    torch.testing.assert_close(quantizer(z).losses["kl"], expected)


def test_the_relaxed_sample_and_its_gradient_are_the_softmax_of_noisy_logits() -> None:
    quantizer = build().double().train()
    quantizer.advance(0.2)
    z = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, 4, 3, dtype=torch.float64)
    steps = quantizer.draws.steps.clone()
    z_q = quantizer(z).z_q
    through = torch.autograd.grad(z_q, [z, quantizer.vectors], upstream)

    quantizer.draws.steps.copy_(steps)
    inner = rows_of(normalised(z))
    logits = quantizer.to_logits(inner)
    noise = quantizer._noise(logits)
    y = ((logits + noise) / quantizer.temperature).softmax(1)
    torch.testing.assert_close(rows_of(z_q), y @ quantizer.vectors)
    # dy = (diag y - y y^T) dl / tau, row by row.
    g = rows_of(upstream)
    a = g @ quantizer.vectors.T
    to_logits = y * (a - (y * a).sum(1, keepdim=True)) / quantizer.temperature
    (expected,) = torch.autograd.grad(inner, z, to_logits @ quantizer.to_logits.weight)
    torch.testing.assert_close(through[0], expected)
    torch.testing.assert_close(through[1], y.T @ g)


def test_the_noise_is_gumbel_s() -> None:
    noise = build(codebook_size=1000)._noise(torch.zeros(500, 1000))
    assert bool(noise.isfinite().all())
    # Mean: Euler's constant; variance: pi^2 / 6.
    assert float(noise.mean()) == pytest.approx(0.57722, abs=0.01)
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, abs=0.02)


def test_a_process_draws_the_rows_of_the_whole_batch_that_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    quantizer, total = build(), 3 * ROWS_A_DRAW + 17
    whole = quantizer._noise(torch.zeros(total, 16))
    for before, count in ((0, 5), (ROWS_A_DRAW - 1, 2), (300, ROWS_A_DRAW + 60), (total - 1, 1), (40, 0)):
        quantizer.draws.steps.zero_()
        monkeypatch.setattr("signaltok.quantizers.gumbel.rows_of_group", lambda rows, before=before: (total, before))
        assert torch.equal(quantizer._noise(torch.zeros(count, 16)), whole[before : before + count])


def test_a_resumed_quantizer_draws_what_an_uninterrupted_one_draws() -> None:
    z = torch.randn(2, 4, 3, 3)
    whole, resumed = build().train(), build().train()
    first = whole(z).z_q
    assert not torch.equal(first, whole(z).z_q), "every step draws anew"
    resumed.load_state_dict(whole.state_dict())
    torch.rand(7)
    assert torch.equal(whole(z).z_q, resumed(z).z_q)


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 1.0), (0.25, 0.625), (0.5, 0.25), (0.9, 0.25)])
def test_the_temperature_is_a_cosine_of_the_share_of_the_run(progress: float, expected: float) -> None:
    quantizer = build()
    quantizer.advance(progress)
    assert quantizer.temperature == pytest.approx(expected)


def test_eval_takes_the_most_probable_code_of_the_dense_logits_without_noise() -> None:
    quantizer, z = build(codebook_size=3000).eval(), torch.randn(2, 4, 5, 6)
    expected = quantizer.to_logits(normalised(z).movedim(1, -1)).argmax(-1)
    assert torch.equal(quantizer(z).codes[0], expected)
    assert torch.equal(quantizer(z).z_q, quantizer.vectors[expected].movedim(-1, 1))
    assert int(quantizer.draws.steps) == 0


def test_low_temperatures_sample_as_the_probabilities_say() -> None:
    quantizer = build(codebook_size=4, temperature_start=1e-3, temperature_end=1e-3).train()
    with torch.no_grad():
        quantizer.vectors.copy_(torch.eye(4))
    z = torch.randn(1, 4, 1).expand(1, 4, 40_000)
    p = quantizer.to_logits(normalised(z)[0, :, 0]).softmax(0)
    assert torch.allclose(quantizer(z).z_q.mean((0, 2)), p, atol=0.01)


def test_codes_start_among_the_latents_after_their_share_of_the_run() -> None:
    quantizer = build(late_start=0.2, initialization=KMeans(iterations=3), sharpness=3.0).double().train()
    z = torch.randn(4, 4, 6, 6, dtype=torch.float64)
    before = quantizer.vectors.detach().clone()
    quantizer.advance(0.19)
    torch.testing.assert_close(quantizer(z).z_q, normalised(z))
    assert torch.equal(quantizer.vectors, before)
    assert quantizer.temperature == 1.0

    quantizer.advance(0.2)
    quantizer(z)
    rows, placed_at = rows_of(normalised(z)), quantizer.vectors.detach().clone()
    squares = (rows[:, None] - placed_at).square().sum(-1)
    assert squares.min(1).values.mean() < 0.5 * rows.square().sum(1).mean(), "codes lie where the latents are"
    torch.testing.assert_close(
        quantizer.to_logits(rows).log_softmax(1), (-1.5 * squares).log_softmax(1), rtol=1e-9, atol=1e-9
    )
    assert torch.equal(quantizer.eval()(z).codes[0].flatten(), squares.argmin(1))
    # Once: they learn from there.
    quantizer.train()(torch.randn(4, 4, 6, 6, dtype=torch.float64))
    assert torch.equal(quantizer.vectors, placed_at)
    quantizer.advance(0.6)  # half of what follows
    assert quantizer.temperature == pytest.approx(0.25)


def test_padding_alone_gives_zeros() -> None:
    quantizer = build().train()
    quantized = quantizer(torch.randn(2, 4, 3, requires_grad=True), torch.zeros(2, 1, 3, dtype=torch.bool))
    assert not quantized.z_q.any() and quantized.losses["kl"].item() == 0
    (quantized.z_q.sum() + quantized.losses["kl"]).backward()
    assert quantizer.to_logits.weight.grad is not None and not quantizer.to_logits.weight.grad.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebook_size": 1}, "got 1"),
        ({"temperature_end": 0.0}, r"temperature_end=0\.0"),
        ({"temperature_end": 2.0}, r"temperature_end=2\.0"),
        ({"annealed_by": 1.5}, r"annealed_by=1\.5"),
        ({"annealed_by": 0.0}, r"annealed_by=0\.0"),
        ({"late_start": 1.0}, r"late_start=1\.0"),
        ({"sharpness": 0.0}, r"sharpness=0\.0"),
    ],
)
def test_arguments_out_of_range_are_refused_with_their_values(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)
