"""Stacks over views, and several discriminators in one."""

import json
import warnings

import pytest
import torch
from small_adversary import bands, periods, residual_spectrum, scales, waveform_adversary

from signaltok.adversaries.stacks import ConvolutionStack, ResidualStack
from signaltok.adversaries.views import PeriodView, ScaleView, SpectrumView
from signaltok.adversaries.waveform import PeakLevel, SeveralDiscriminators, ViewDiscriminator
from signaltok.artifact.describe import build, describe

KINDS = {"periods": periods, "scales": scales, "bands": bands, "residual": residual_spectrum}


def multi_scale_stft(windows, width):
    spectra = [
        SpectrumView(window=size, hop=size // 4, edges="none", unit_norm=True, bands=[[0.0, 1.0]]) for size in windows
    ]
    stack = ConvolutionStack(
        widths=[width] * 5, kernels=[[3, 9]] * 4 + [[3, 3]], strides=[[1, 1]] + [[1, 2]] * 3 + [[1, 1]],
        dilations=[[1, 1], [1, 1], [2, 1], [4, 1], [1, 1]], groups=[1] * 5, head=[3, 3], slope=0.2, first_normed=False,
    )  # fmt: skip
    return ViewDiscriminator(channels=1, views=spectra, stack=stack)


def published(windows, width):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their weight norm is the deprecated one
        msstftd = pytest.importorskip("encodec.msstftd")
        return msstftd.MultiScaleSTFTDiscriminator(
            filters=width, n_ffts=windows, hop_lengths=[size // 4 for size in windows], win_lengths=windows
        )


def numbers(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("windows", [[1024, 2048, 512], [2048, 1024, 512, 256, 128]])
def test_at_the_published_sizes_it_has_the_parameters_of_the_published_class(windows):
    ours, theirs = multi_scale_stft(windows, 32), published(windows, 32)
    assert numbers(ours) == numbers(theirs) == {3: 283_398, 5: 472_330}[len(windows)]


def test_with_the_published_class_s_weights_it_says_what_that_class_says():
    windows = [128, 64]
    ours, theirs = multi_scale_stft(windows, 4), published(windows, 4)
    state = {}
    for view, member in enumerate(theirs.discriminators):
        layers = [(f"layers.{view}.0.{number}.0", layer.conv) for number, layer in enumerate(member.convs)]
        for name, layer in [*layers, (f"heads.{view}", member.conv_post.conv)]:
            state[f"{name}.bias"] = layer.bias
            if hasattr(layer, "weight_g"):
                state[f"{name}.parametrizations.weight.original0"] = layer.weight_g
                state[f"{name}.parametrizations.weight.original1"] = layer.weight_v
            else:
                state[f"{name}.weight"] = layer.weight
    ours.load_state_dict(state)
    signal = torch.randn(2, 1, 400)
    logits, features = theirs(signal)
    for verdict, their_logits, their_features in zip(ours(signal), logits, features, strict=True):
        torch.testing.assert_close(verdict.logits, their_logits, atol=1e-5, rtol=1e-5)
        for one, two in zip(verdict.features, their_features, strict=True):
            torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_is_judged_without_its_batch_mates(kind):
    part, x = KINDS[kind]().double(), torch.randn(3, 1, 200, dtype=torch.float64)
    for whole, alone in zip(part(x), part(x[1:2]), strict=True):
        torch.testing.assert_close(whole.logits[1:2], alone.logits, rtol=0, atol=1e-12)
        for one, two in zip(whole.features, alone.features, strict=True):
            torch.testing.assert_close(one[1:2], two, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_it_judges_what_is_just_long_enough_and_names_what_is_not(kind):
    part = KINDS[kind]()
    assert all(verdict.logits.numel() for verdict in part(torch.randn(1, 1, part.least)))
    with pytest.raises(ValueError, match=rf"at least {part.least} samples, got {part.least - 1}"):
        part(torch.randn(1, 1, part.least - 1))


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_gets_a_gradient_and_there_is_no_state_beside(kind):
    part = KINDS[kind]()
    sum(verdict.logits.square().mean() for verdict in part(torch.randn(2, 1, 200))).backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in part.parameters())
    assert len(part.state_dict()) == len(list(part.parameters()))


def test_bands_have_layers_of_their_own_and_one_head():
    part = bands()
    (verdict,) = part(torch.randn(1, 1, 200))
    assert len(verdict.features) == 2 * 2, "two layers for each of two bands"
    assert len(part.layers[0]) == 2 and len(part.heads) == 1
    frequencies = sum(verdict.features[number].shape[-1] for number in (1, 3))
    assert verdict.logits.shape[-1] == frequencies


def test_the_residual_stack_gives_one_number_in_time_as_the_paper_says():
    # SoundStream: after the last unit T / (H 2^3) x F / 2^6 with F = W / 2; the head leaves one number for each time.
    view = SpectrumView(window=1024, hop=256, edges="none", unit_norm=True, bands=[[0.0, 1.0]])
    stack = ResidualStack(width=2, multiples=[2, 4, 4, 8, 8, 16], strides=[[1, 2], [2, 2]] * 3)
    part = ViewDiscriminator(channels=1, views=[view], stack=stack)
    frames = 16
    (verdict,) = part(torch.randn(1, 1, 1024 + (frames - 1) * 256))
    assert verdict.features[-1].shape == (1, 32, frames // 8, 512 // 64)
    assert verdict.logits.shape == (1, 1, frames // 8, 1)
    assert part.least == 1024 + 7 * 256


def test_several_discriminators_judge_side_by_side_at_one_level():
    one, two = periods(), scales()
    part = SeveralDiscriminators(members={"one": one, "two": two}, level=PeakLevel(peak=0.8)).double()
    x = 3 + 5 * torch.randn(2, 1, 60, dtype=torch.float64)
    level = x - x.mean(2, keepdim=True)
    level = 0.8 * level / level.abs().amax(2, keepdim=True)
    assert part.least == max(one.least, two.least)
    for found, expected in zip(part(x), (*one(level), *two(level)), strict=True):
        torch.testing.assert_close(found.logits, expected.logits)
    assert torch.isfinite(part(torch.zeros(1, 1, 60, dtype=torch.float64))[0].logits).all()


def over(view, like):
    """The layers of a discriminator over another view."""
    return ViewDiscriminator(channels=1, views=[view], stack=like.arguments["stack"])


def test_a_discriminator_is_plain_data_and_comes_back():
    part = waveform_adversary().discriminator
    again = build(json.loads(json.dumps(describe(part))))
    assert describe(again) == describe(part)
    again.load_state_dict(part.state_dict())
    x = torch.randn(1, 1, 60)
    for one, two in zip(part(x), again(x), strict=True):
        assert torch.equal(one.logits, two.logits)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: over(ScaleView(halvings=0), periods()), "2 axes, its view has 1"),
        (lambda: over(PeriodView(period=2), residual_spectrum()), "halves 2 frequencies"),
        (lambda: ViewDiscriminator(channels=1, views=[], stack=periods().arguments["stack"]), "0 views"),
        (lambda: SeveralDiscriminators(members={"a": periods(), "b": periods(2)}, level=None), r"\(1, 1\), \(1, 2\)"),
        (lambda: SeveralDiscriminators(members={}, level=None), "one member or more"),
        (lambda: PeakLevel(peak=0.0), "peak 0.0"),
        (lambda: ConvolutionStack(**periods().arguments["stack"].arguments | {"groups": [1, 3]}), r"groups \[1, 3\]"),
        (lambda: ConvolutionStack(**periods().arguments["stack"].arguments | {"head": [2, 1]}), "odd"),
        (lambda: ConvolutionStack(**periods().arguments["stack"].arguments | {"widths": [4]}), "each layer"),
        (lambda: ConvolutionStack(**periods().arguments["stack"].arguments | {"head": [3]}), "one an axis"),
        (lambda: ResidualStack(width=2, multiples=[2], strides=[[1, 3]]), "pair of 1 or 2"),
        (lambda: ResidualStack(width=2, multiples=[2, 4], strides=[[1, 2]]), "for each unit"),
    ],
)  # fmt: skip
def test_impossible_discriminators_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
