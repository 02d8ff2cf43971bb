"""How alike texts are: closed forms, the plain formula over sets, and what the contrast makes of it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from signaltok.encoders.conv import ConvEncoder
from signaltok.objectives.align import Align
from signaltok.objectives.contrast import SigmoidContrast, SoftmaxContrast
from signaltok.objectives.likeness import numbers, shared_words
from signaltok.objectives.towers import NgramTower, PairTower
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction

TEXTS = ("red cat", "Cat red red", "red dog house", "blue", "")


def term(**changes) -> Align:
    arguments = {
        "tower": NgramTower(buckets=64, lengths=[3], width=6, depth=1), "contrast": SoftmaxContrast(temperature=0.07),
        "latent_dim": 4, "width": 4, "tap": "post", "pool": "mean", "project": False, "equal_texts": "positive",
        "shared_words": 2.0,
    }  # fmt: skip
    return Align(**(arguments | changes))


def likeness(texts: tuple[str, ...], power: float) -> torch.Tensor:
    return shared_words(texts, power=power, device=torch.device("cpu"))


def test_closed_forms():
    expected = torch.tensor([
        [1.0, 1.0, 0.25, 0.0, 0.0],
        [1.0, 1.0, 0.25, 0.0, 0.0],
        [0.25, 0.25, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 1.0],
    ])  # fmt: skip
    assert torch.equal(likeness(TEXTS, 1.0), expected)
    assert torch.equal(likeness(TEXTS, 2.0), expected.square())


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=5).map(" ".join), min_size=1, max_size=6))
def test_it_is_the_share_of_common_words(texts):
    sets = [set(text.split()) for text in texts]
    expected = [[len(a & b) / len(a | b) if a | b else 1.0 for b in sets] for a in sets]
    torch.testing.assert_close(likeness(tuple(texts), 1.0), torch.tensor(expected))


def test_a_large_power_leaves_equal_texts():
    words = numbers(TEXTS)
    same = (words[:, None] == words[None]).float()
    same[0, 1] = same[1, 0] = 1.0  # the same words, not the same text
    torch.testing.assert_close(likeness(TEXTS, 100.0), same)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_the_contrast_is_the_open_formula(sigmoid):
    contrast = SigmoidContrast(scale=10.0, bias=-10.0) if sigmoid else SoftmaxContrast(temperature=0.07)
    align = term(contrast=contrast).double()
    z_q = torch.randn(4, 4, 3, dtype=torch.float64)
    batch = Batch(signal=z_q, keys=TEXTS[:4], text=TEXTS[:4])
    found = align(batch, Reconstruction(signal=z_q, quantized=Quantized(z_q=z_q, codes=()), latent=z_q))
    scores = align.contrast.scale() * (F.normalize(z_q.mean(2), dim=1) @ align.of_pairs(batch).T)
    target = likeness(TEXTS[:4], 2.0).double()
    if sigmoid:
        yes, no = F.logsigmoid(scores - 10), F.logsigmoid(10 - scores)
        expected = -(target * yes + (1 - target) * no).sum(1).mean()
    else:
        shares = target / target.sum(1, keepdim=True)
        expected = (F.cross_entropy(scores, shares) + F.cross_entropy(scores.T, shares)) / 2
    torch.testing.assert_close(found, expected)


def test_what_does_not_fit_is_named():
    encoder = ConvEncoder(axes=1, channels=2, stride=4, widths=[8], depth=1, latent_dim=6)
    for changes, message in (
        ({"shared_words": 0.0}, "shared_words is the power .* got 0.0"),
        ({"shared_words": math.inf}, "shared_words is the power .* got inf"),
        ({"shared_words": math.nan}, "shared_words is the power .* got nan"),
        ({"equal_texts": "masked"}, "shared_words=2.0 .* but equal_texts is 'masked'"),
        ({"tower": PairTower(encoder=encoder)}, "shared_words=2.0 .* the tower reads 'pair'"),
    ):
        with pytest.raises(ValueError, match=message):
            term(**changes)
