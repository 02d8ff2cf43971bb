"""The ratio of gradients against its closed form."""

import math

import pytest
import torch

from signaltok.objectives.gradient_norm import GradientNorm
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction

WEIGHTS = {"reconstruction": 2.0, "commitment": 0.25, "align": 3.0}


def balance(weights=WEIGHTS, **changes) -> GradientNorm:
    made = GradientNorm(**{"terms": ["align"], "decay": 0.9, "least": 1e-9, "most": 1e9} | changes)
    made.watch(weights)
    return made.double()


def case(scale: float = 1.0, gain: float = 0.5, tap: str = "post"):
    """An autoencoder whose decoder multiplies by `gain`: what it gave, its terms, the norms of gradients at z."""
    z = torch.tensor([[[1.25, -0.5, 2.0]], [[0.75, 3.5, -1.25]]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[[1.0, 0.0, -1.0]], [[0.5, -0.5, 0.25]]], dtype=torch.float64)
    z_q = z + (z.round() - z).detach()
    signal = gain * z_q
    terms = {
        "reconstruction": (signal - x).square().mean(),
        "commitment": 100 * (z - z.round().detach()).square().mean(),
        "align": scale * (z_q if tap == "post" else z).mean(),
    }
    rest = 2.0 * 2 * gain * (gain * z.round() - x) / 6
    norms = (float(rest.norm().detach()), scale / math.sqrt(6))
    return Reconstruction(signal=signal, quantized=Quantized(z_q=z_q, codes=()), latent=z), terms, norms


@pytest.mark.parametrize("tap", ["post", "pre"])
def test_the_factor_is_the_weight_times_the_ratio_of_the_norms(tap):
    result, terms, (rest, align) = case(scale=0.01, tap=tap)
    loss, logged = balance().minimized(result, terms, {}, 1)
    factor = 3.0 * rest / align
    torch.testing.assert_close(float(logged["balance_align"]), factor)
    assert float(logged["balance_reconstruction"]) == 2.0 and float(logged["balance_commitment"]) == 0.25
    expected = 2.0 * terms["reconstruction"] + 0.25 * terms["commitment"] + factor * terms["align"]
    torch.testing.assert_close(float(loss.detach()), float(expected.detach()))
    torch.testing.assert_close(logged["loss"], loss.detach())
    (wanted,) = torch.autograd.grad(expected, result.latent, retain_graph=True)
    loss.backward()
    torch.testing.assert_close(result.latent.grad, wanted)


def test_as_strong_a_pull_whatever_the_scale_of_the_term():
    for scale in (1e-6, 1.0, 1e6):
        result, terms, (rest, align) = case(scale=scale)
        _, logged = balance(WEIGHTS | {"align": 1.0}).minimized(result, terms, {}, 1)
        torch.testing.assert_close(float(logged["balance_align"]) * align, rest)


@pytest.mark.parametrize(("scale", "bound"), [(1e6, 0.1), (1e-6, 10.0), (0.0, 10.0)])
def test_the_ratio_is_bounded(scale, bound):
    result, terms, _ = case(scale=scale)
    _, logged = balance(least=0.1, most=10.0).minimized(result, terms, {}, 1)
    torch.testing.assert_close(float(logged["balance_align"]), 3.0 * bound)


def test_where_neither_pulls_the_factor_is_the_least_and_no_nan():
    result, terms, _ = case(scale=0.0)
    terms["reconstruction"] = 0.0 * terms["reconstruction"]
    loss, logged = balance(least=0.1, most=10.0).minimized(result, terms, {}, 1)
    torch.testing.assert_close(float(logged["balance_align"]), 0.3)
    loss.backward()
    assert bool(result.latent.grad.isfinite().all())


def test_the_norms_are_averaged_over_the_batches_and_not_the_ratios():
    made, sums, count = balance(), [0.0, 0.0], 0.0
    for scale, gain in ((0.01, 0.5), (0.2, 0.25), (0.05, 1.5)):
        result, terms, norms = case(scale=scale, gain=gain)
        _, logged = made.minimized(result, terms, {}, 1)
        sums = [0.9 * total + norm for total, norm in zip(sums, norms, strict=True)]
        count = 0.9 * count + 1
        torch.testing.assert_close(float(logged["balance_align"]), 3.0 * sums[0] / sums[1])
    torch.testing.assert_close((made.sums / made.counts).tolist(), [total / count for total in sums])


def test_what_the_adversary_gives_counts_as_reconstruction_and_passes_on():
    weights = WEIGHTS | {"generator": 0.5}
    result, terms, _ = case(scale=0.01)
    gradient = torch.arange(6, dtype=torch.float64).view(2, 1, 3) / 10
    given = {"generator": (torch.tensor(7.0, dtype=torch.float64), gradient)}
    loss, logged = balance(weights).minimized(result, terms, given, 1)
    pull = (2.0 * 2 * (result.signal - torch.tensor([[[1.0, 0.0, -1.0]], [[0.5, -0.5, 0.25]]])) / 6).detach()
    pull = 0.5 * (pull + 0.5 * gradient)
    factor = 3.0 * float(pull.norm()) / (0.01 / math.sqrt(6))
    torch.testing.assert_close(float(logged["balance_align"]), factor)
    assert float(logged["balance_generator"]) == 0.5
    values = {name: float(value.detach()) for name, value in terms.items()}
    whole = 2.0 * values["reconstruction"] + 0.25 * values["commitment"] + factor * values["align"] + 0.5 * 7.0
    torch.testing.assert_close(float(logged["loss"]), whole)
    (own,) = torch.autograd.grad(0.25 * terms["commitment"] + factor * terms["align"], result.latent, retain_graph=True)
    loss.backward()
    torch.testing.assert_close(result.latent.grad, own + pull)
    # Before its start the adversary takes no part.
    _, logged = balance(weights).minimized(*case(scale=0.01)[:2], {}, 1)
    assert float(logged["balance_generator"]) == 0.0 and set(logged) == {"loss", *balance(weights).logged()}


def test_its_averages_are_buffers_and_go_on_where_they_were():
    ours, other = balance(), balance()
    for scale in (0.01, 0.2):
        ours.minimized(*case(scale=scale)[:2], {}, 1)
    other.load_state_dict(ours.state_dict())
    assert set(ours.state_dict()) == {"sums", "counts"} and not list(ours.parameters())
    one, two, fresh = (made.minimized(*case(0.05)[:2], {}, 1)[1]["balance_align"] for made in (ours, other, balance()))
    assert torch.equal(one, two) and not torch.equal(one, fresh)


def test_a_term_that_pulls_at_nothing_and_one_alone_are_named():
    result, terms, _ = case()
    with pytest.raises(ValueError, match="names align, which does not look at the latent"):
        balance().minimized(result, terms | {"align": torch.tensor(1.0, dtype=torch.float64)}, {}, 1)
    with pytest.raises(ValueError, match=r"none of the other terms \(\['commitment', 'reconstruction'\]\) looks at"):
        balance().minimized(result, terms | {"reconstruction": terms["commitment"]}, {}, 1)
    with pytest.raises(ValueError, match=r"\['align'\] are the adversary's"):
        balance().minimized(result, terms, {"align": (terms["align"].detach(), result.signal.detach())}, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decay": 1.5}, "decay 1.5"),
        ({"least": 0.0}, "least 0.0"),
        ({"least": 2.0, "most": 1.0}, "least 2.0 and most 1.0"),
        ({"terms": []}, r"balance.terms is \[\]"),
        ({"terms": ["align", "align"]}, "each once"),
        ({"terms": ["algn"]}, r"names \['algn'\], but the terms .* are \['align', 'commitment', 'reconstruction'\]"),
        ({"terms": ["reconstruction", "commitment", "align"]}, "nothing is left to weigh by"),
    ],
)
def test_impossible_values_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        balance(**changes)


def test_a_term_without_weight_cannot_be_weighed():
    with pytest.raises(ValueError, match=r"names \['align'\]"):
        balance(WEIGHTS | {"align": 0.0})
