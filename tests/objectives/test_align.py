"""The contrast of items and texts: closed forms, its limits, and the open formula in float64."""

import math

import pytest
import torch
from torch.nn import functional as F

from signaltok.encoders.conv import ConvEncoder
from signaltok.layers.sphere import on_sphere
from signaltok.objectives.align import Align
from signaltok.objectives.contrast import MOST, SigmoidContrast, SoftmaxContrast
from signaltok.objectives.objective import Objective
from signaltok.objectives.towers import ByteTower, NgramTower, PairTower
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction

TEXTS = ("red heart love", "black cat", "flag france", "slice of pizza food")


def ngrams(width: int = 6) -> NgramTower:
    return NgramTower(buckets=64, lengths=[3], width=width, depth=1)


def align(**changes) -> Align:
    arguments = {
        "tower": ngrams(), "contrast": SoftmaxContrast(temperature=0.07), "latent_dim": 4, "width": 4, "tap": "post",
        "pool": "mean", "project": False, "equal_texts": "positive",
        "shared_words": None,
    }  # fmt: skip
    return Align(**(arguments | changes))


def items(*texts: str, grid: tuple[int, ...] = (2, 3)) -> tuple[Batch, Reconstruction]:
    latent, z_q = torch.randn(2, len(texts), 4, *grid, dtype=torch.float64, requires_grad=True)
    batch = Batch(signal=torch.zeros(len(texts), 3, 8, 8), keys=texts, text=texts)
    return batch, Reconstruction(signal=batch.signal, quantized=Quantized(z_q=z_q, codes=()), latent=latent)


@pytest.mark.parametrize("count", [2, 7])
def test_equal_scores_cost_the_logarithm_of_the_batch(count):
    own, all_counted = torch.eye(count), torch.ones(count, count, dtype=torch.bool)
    loss = SoftmaxContrast(temperature=0.07)(torch.full((count, count), 0.3), own, all_counted)
    torch.testing.assert_close(loss, torch.full((count,), math.log(count)))


def test_softmax_is_the_open_formula():
    term = align().double()
    batch, result = items(*TEXTS)
    u = F.normalize(result.quantized.z_q.flatten(2).mean(2), dim=1)
    v = term.of_pairs(batch)
    logits = (u @ v.T) / 0.07
    own = torch.arange(4)
    expected = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(term(batch, result), expected, rtol=1e-6, atol=0)  # the temperature began in float32
    assert term(batch, result).dtype == torch.float64


def test_sigmoid_is_the_closed_form():
    contrast = SigmoidContrast(scale=10.0, bias=-10.0)
    own, all_counted = torch.eye(5), torch.ones(5, 5, dtype=torch.bool)
    # Equal scores of 0: each row has one pair at -log sigmoid(-10) and four at -log sigmoid(10).
    loss = contrast(torch.zeros(5, 5), own, all_counted)
    torch.testing.assert_close(loss, torch.full((5,), math.log1p(math.exp(10)) + 4 * math.log1p(math.exp(-10))))
    scores = torch.randn(5, 5)
    signs = 2 * torch.eye(5) - 1
    expected = -F.logsigmoid(signs * (10 * scores - 10)).sum(1)
    torch.testing.assert_close(contrast(scores, own, all_counted), expected)


def test_the_scale_stays_between_1_and_100():
    contrast = SoftmaxContrast(temperature=0.07)
    for outside, inside in ((9.0, MOST), (-1.0, 0.0), (2.0, 2.0)):
        contrast.log_scale.data.fill_(outside)
        assert contrast.scale().item() == pytest.approx(math.exp(inside))
        assert contrast.log_scale.item() == pytest.approx(inside)
    with pytest.raises(ValueError, match=r"starts at 1000; it is held in 1 \.\. 100"):
        SoftmaxContrast(temperature=0.001)


@pytest.mark.parametrize("equal_texts", ["positive", "masked", "negative"])
def test_equal_texts_are_what_was_asked_for(equal_texts):
    term = align(equal_texts=equal_texts).double()
    batch, result = items("a cat", "a cat", "a dog")
    u, v = F.normalize(result.quantized.z_q.flatten(2).mean(2), dim=1), term.of_pairs(batch)
    scale = term.contrast.scale()
    total = 0.0
    for logits in (scale * u @ v.T, scale * v @ u.T):
        for row in range(3):
            same = [0, 1] if row < 2 else [2]
            left = [row, *(n for n in range(3) if n not in same)] if equal_texts == "masked" else [0, 1, 2]
            wanted = same if equal_texts == "positive" else [row]
            log_sum = logits[row, left].logsumexp(0)
            total = total + sum(log_sum - logits[row, n] for n in wanted) / len(wanted) / 6
    torch.testing.assert_close(term(batch, result), total)


@pytest.mark.parametrize("pool", ["mean", "attention", "first"])
def test_padding_changes_nothing(pool):
    term = align(pool=pool, project=True, width=5).double()
    latent = torch.randn(3, 4, 5, dtype=torch.float64)
    mask = torch.ones(3, 1, 5, dtype=torch.bool)
    padded = torch.cat([latent, torch.full((3, 4, 2), 1e4, dtype=torch.float64)], 2)
    beyond = torch.cat([mask, torch.zeros(3, 1, 2, dtype=torch.bool)], 2)
    torch.testing.assert_close(term.of_items(padded, beyond), term.of_items(latent, None))
    assert term.of_items(latent, None).norm(dim=1).tolist() == pytest.approx([1.0] * 3)


def test_taps_and_gradients():
    for tap in ("pre", "post"):
        term = align(tap=tap, pool="attention", contrast=SigmoidContrast(scale=10.0, bias=-10.0)).double()
        batch, result = items(*TEXTS)
        looked_at, other = result.latent, result.quantized.z_q
        if tap == "post":
            looked_at, other = other, looked_at
        found = torch.autograd.grad(term(batch, result), [looked_at, other, *term.parameters()], allow_unused=True)
        assert found[1] is None and all(gradient is not None for gradient in (found[0], *found[2:]))


def test_texts_are_latents_only_without_a_head():
    plain = torch.randn(3, 4)
    torch.testing.assert_close(align().as_latent(plain), on_sphere(plain[:, :, None]))
    assert on_sphere(plain).square().mean(1).tolist() == pytest.approx([1.0] * 3)
    with pytest.raises(ValueError, match="texts have no codes"):
        align(project=True, width=5).as_latent(torch.randn(3, 5))


def test_what_does_not_fit_is_named():
    for changes, message in (
        ({"tap": "middle"}, "tap is 'middle'; it is one of post, pre"),
        ({"pool": "max"}, "pool is 'max'"),
        ({"equal_texts": "maybe"}, "equal_texts is 'maybe'"),
        ({"width": 5}, "without projection items have 4 channels, but width is 5"),
    ):
        with pytest.raises(ValueError, match=message):
            align(**changes)
    with pytest.raises(ValueError, match="latent_dim is 4, but the quantizer's is 6"):
        align().check(IdentityQuantizer(latent_dim=6))
    objective = Objective(terms={"align": align()}, weights={"align": 1.0})
    objective.check_fields(frozenset({"text"}))
    with pytest.raises(ValueError, match=r"objective\.terms\.align needs text with each item"):
        objective.check_fields(frozenset({"labels", "pair"}))
    batch, result = items(*TEXTS)
    with pytest.raises(ValueError, match="the batch has no text"):
        align()(Batch(signal=batch.signal, keys=batch.keys), result)


def test_towers_read_each_item_by_itself():
    batch = Batch(signal=torch.zeros(3, 1, 1), keys=("",) * 3, text=("black cat", "", "ünïcode cat cats"))
    for tower in (ngrams(), ByteTower(width=8, depth=1, heads=2, context=12)):
        together = tower.double()(batch)
        for number, text in enumerate(batch.text):
            alone = tower(Batch(signal=batch.signal[:1], keys=("",), text=(text,)))
            torch.testing.assert_close(together[number : number + 1], alone)
    tower = ngrams()
    assert tower.rows_of("cat") == tower.rows_of("CAT") != tower.rows_of("cats")
    assert set(tower.rows_of("<cat>")) and len(tower.rows_of("cat")) == 4  # the word, <ca, cat, at>
    assert ByteTower(width=8, depth=1, heads=2, context=3).codes("über").tolist() == [195, 188, 98]


def test_a_second_tower_for_another_modality():
    encoder = ConvEncoder(axes=1, channels=2, stride=4, widths=[8], depth=1, latent_dim=6)
    term = align(tower=PairTower(encoder=encoder))
    assert term.needs == {"pair"}
    signal, pair = torch.zeros(3, 3, 8, 8), torch.randn(3, 2, 16)
    _, result = items("a", "b", "c")
    loss = term.double()(Batch(signal=signal, keys=("",) * 3, pair=pair.double()), result)
    loss.backward()
    assert all(parameter.grad is not None for parameter in term.parameters())
    with pytest.raises(ValueError, match=r"the pairs are \(3, 1, 16\), but tower\.encoder takes 2 channels"):
        term.of_pairs(Batch(signal=signal, keys=("",) * 3, pair=pair[:, :1].double()))
