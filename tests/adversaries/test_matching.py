"""Feature matching against its closed forms."""

import pytest
import torch
from small_adversary import adversary, waveform_adversary
from torch import tensor

from signaltok.adversaries.matching import FeatureMatching

# Two members: of two layers and of one. By hand: mean distances 1.5, 4 and 0.5; mean |real| 2, 5 and 0.25.
REAL = ((tensor([1.0, -3.0]), tensor([5.0, 5.0, -5.0])), (tensor([0.25, -0.25]),))
FAKE = ((tensor([2.0, -1.0]), tensor([1.0, 5.0, 3.0])), (tensor([0.75, 0.25]),))
CLOSED = {
    "mean": ((1.5 + 4.0) / 2 + 0.5) / 2,
    "sum": 1.5 + 4.0 + 0.5,
    "relative": ((1.5 / 2 + 4.0 / 5) / 2 + 0.5 / 0.25) / 2,
}


@pytest.mark.parametrize("reduction", CLOSED)
def test_each_reduction_is_its_closed_form(reduction):
    value = FeatureMatching(weight=2.0, reduction=reduction)(FAKE, REAL)
    torch.testing.assert_close(float(value), CLOSED[reduction], rtol=1e-6, atol=0)
    assert float(FeatureMatching(weight=2.0, reduction=reduction)(REAL, REAL)) == 0.0


def test_what_it_is_relative_to_is_a_number_and_no_gradient():
    real = ((torch.zeros(3),),)
    fake = torch.full((3,), 1e-9, requires_grad=True)
    value = FeatureMatching(weight=1.0, reduction="relative")(((fake,),), real)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(fake.grad).all()


def test_the_generator_s_terms_are_the_means_over_the_members():
    for reduction, divided in (("mean", 6), ("sum", 1)):
        part = waveform_adversary(reduction=reduction).double()
        x, y = torch.randn(2, 2, 1, 200, dtype=torch.float64).unbind()
        y.requires_grad_()
        losses = part.of_generator(part.judge(x, None), part.judge(y, None))
        assert list(losses) == list(part.generator_terms()) == ["generator", "matching"]
        verdicts = part.discriminator(y)
        assert len(verdicts) == 2 + 2 + 1 + 1
        expected = sum(torch.relu(1 - verdict.logits).mean() for verdict in verdicts) / divided
        torch.testing.assert_close(losses["generator"], expected)
        matched = sum(
            sum((a - b).abs().mean() / b.abs().mean() for a, b in zip(ours.features, theirs.features, strict=True))
            / len(ours.features)
            for ours, theirs in zip(verdicts, part.discriminator(x), strict=True)
        )
        torch.testing.assert_close(losses["matching"], matched / 6)
        loss, _ = part.of_discriminator(part.judge(x, None), part.judge(y, None))
        sides = sum(
            torch.relu(1 - theirs.logits).mean() / 2 + torch.relu(1 + ours.logits).mean() / 2
            for ours, theirs in zip(verdicts, part.discriminator(x), strict=True)
        )
        torch.testing.assert_close(loss, sides / divided)


def test_only_the_reconstruction_is_pulled():
    part, x, y = waveform_adversary(), torch.randn(1, 1, 200), torch.randn(1, 1, 200)
    x.requires_grad_()
    y.requires_grad_()
    matching = part.of_generator(part.judge(x, None), part.judge(y, None))["matching"]
    of_original, of_reconstruction = torch.autograd.grad(matching, (x, y), allow_unused=True)
    assert of_original is None and bool(of_reconstruction.any())


def test_padding_matters_to_no_feature_and_a_short_item_is_judged_with_silence_behind_it():
    part = waveform_adversary().double()
    least = part.discriminator.least
    x, y = torch.randn(2, 2, 1, 100, dtype=torch.float64).unbind()
    lengths = torch.tensor([[80], [least - 5]])
    for signal in (x, y):
        signal[0, :, 80:], signal[1, :, least - 5 :] = 7.0, float("nan")
    filled = [torch.nn.functional.pad(signal[1:, :, : least - 5], (0, 5)) for signal in (x, y)]
    judged = part.judge(x, lengths)
    for number, (one, two) in enumerate(
        zip(part.discriminator(x[:1, :, :80]), part.discriminator(filled[0]), strict=True)
    ):
        torch.testing.assert_close(judged.logits[number], torch.cat([one.logits.flatten(), two.logits.flatten()]))
        for found, a, b in zip(judged.features[number], one.features, two.features, strict=True):
            torch.testing.assert_close(found, torch.cat([a.flatten(), b.flatten()]))
    leaf = y.requires_grad_()
    losses = part.of_generator(judged, part.judge(leaf, lengths))
    (gradient,) = torch.autograd.grad(losses["generator"] + losses["matching"], leaf)
    assert torch.isfinite(gradient).all() and not gradient[0, :, 80:].any() and not gradient[1, :, least - 5 :].any()


def test_impossible_values_are_named():
    with pytest.raises(ValueError, match=r"adversary\.matching\.weight is 0\.0"):
        FeatureMatching(weight=0.0, reduction="mean")
    with pytest.raises(ValueError, match=r"reduction is 'max'; it is one of mean, sum, relative"):
        FeatureMatching(weight=1.0, reduction="max")
    with pytest.raises(ValueError, match=r"adversary\.reduction is 'max'; it is one of mean, sum"):
        adversary(reduction="max")
