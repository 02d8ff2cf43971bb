"""Retrieval: the expectation over tied orders, the four taps, and what an evaluation gives."""

import itertools
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_tokenizer import batches, tokenizer

from signaltok.decoders.none import NoDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.pooled import PooledEncoder
from signaltok.metrics.distortion import PeakSignalToNoiseRatio
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.retrieval import Retrieval, ZeroShot, hit_probability, recall, value_names
from signaltok.objectives.align import Align
from signaltok.objectives.contrast import SoftmaxContrast
from signaltok.objectives.towers import NgramTower
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch

WORDS = ("red", "green", "blue", "grey cat", "old dog", "tall tree", "far sea", "small house")


@given(st.integers(0, 3), st.integers(1, 4), st.data(), st.integers(1, 6))
def test_a_tie_is_worth_its_share_of_all_orders(better, tied, data, rank):
    positive = data.draw(st.integers(1, tied))
    orders = list(itertools.permutations([True] * positive + [False] * (tied - positive)))
    places = max(0, rank - better)
    hits = sum(any(order[:places]) for order in orders)
    assert hit_probability(better, tied, positive, rank) == pytest.approx(hits / len(orders))


def test_recall_is_what_random_orders_of_the_tied_give():
    scores = torch.randint(4, (40, 40)).double()
    positive = torch.eye(40, dtype=torch.bool) | (torch.rand(40, 40) < 0.03)
    generator, found = random.Random(0), []
    for _ in range(400):
        for row, own in zip(scores.tolist(), positive.tolist(), strict=True):
            order = sorted(range(40), key=lambda n, row=row: (-row[n], generator.random()))
            found.append(any(own[n] for n in order[:5]))
    assert recall(scores, positive, 5) == pytest.approx(sum(found) / len(found), abs=0.01)


def test_no_score_tells_nothing_and_the_right_one_everything():
    nothing, everything, own = torch.zeros(50, 50), torch.eye(50), torch.eye(50, dtype=torch.bool)
    for rank in (1, 5, 10):
        assert recall(nothing, own, rank) == pytest.approx(rank / 50)  # a tie counted as a win would be 1
        assert recall(everything, own, rank) == 1
        assert recall(-everything, own, rank) == 0


def test_directions_are_named():
    scores = torch.tensor(
        [[1.0, 0.0], [2.0, 0.5]]
    )  # each item's best text: the first; each text's best item: the second
    values = Retrieval(tap="adc", ranks=[1, 2], between=["image", "text"]).values(scores)
    assert values == {
        "recall_at_1_image_to_text_adc": 0.5, "recall_at_2_image_to_text_adc": 1.0,
        "recall_at_1_text_to_image_adc": 0.5, "recall_at_2_text_to_image_adc": 1.0,
    }  # fmt: skip
    node = {"_target_": "signaltok.metrics.retrieval.Retrieval", "tap": "adc", "ranks": [1, 2]}
    assert set(value_names("recall", node | {"between": ["image", "text"]})) == values.keys()
    assert value_names("psnr", {"_target_": "signaltok.metrics.distortion.PeakSignalToNoiseRatio"}) == ["psnr"]


def one_token(quantizer=None) -> Tokenizer:
    features = ConvEncoder(axes=2, channels=3, stride=4, widths=[8], depth=1, latent_dim=8)
    encoder = PooledEncoder(axes=2, features=features, latent_dim=6, tokens=1, spherical=True)
    member = FiniteScalarQuantizer(latent_dim=3, levels=[5, 5, 5], estimator=StraightThrough())
    return Tokenizer(
        encoder=encoder,
        quantizer=quantizer or GroupedQuantizer(latent_dim=6, num_groups=2, member=member),
        decoder=NoDecoder(axes=2, channels=3, stride=4, latent_dim=6, tokens=1),
        value_range=[-1.0, 1.0],
        block=64,
        sample_rate=None,
    )


def towers(**changes) -> Align:
    arguments = {
        "tower": NgramTower(buckets=64, lengths=[3], width=8, depth=1), "contrast": SoftmaxContrast(temperature=0.07),
        "latent_dim": 6, "width": 6, "tap": "post", "pool": "mean", "project": False, "equal_texts": "positive",
        "shared_words": None,
    }  # fmt: skip
    return Align(**(arguments | changes))


def labelled(count: int = 8, text: bool = True) -> list[Batch]:
    signal = torch.rand(count, 3, 8, 8) * 2 - 1
    labels = torch.arange(count) % 2
    return [
        Batch(signal=signal[at], keys=tuple(map(str, at)), text=tuple(WORDS[n] for n in at) if text else None,
              labels=labels[at])
        for at in (list(range(count))[:5], list(range(count))[5:])
    ]  # fmt: skip


METRICS = {tap: Retrieval(tap=tap, ranks=[1, 3], between=["image", "text"]) for tap in ("pre", "post", "adc", "codes")}


def test_an_evaluation_compares_at_every_tap():
    model, term, data = one_token(), towers(), labelled()
    zero_shot = ZeroShot(tap="pre", classes=["red", "blue sea"], template="a {}")
    found = evaluate(model, data, metrics=METRICS | {"zero_shot": zero_shot}, alignment=term)
    signal, text = torch.cat([b.signal for b in data]), tuple(t for b in data for t in b.text)
    latent = model.embed(signal)[:, 0]
    texts = term.of_pairs(Batch(signal=signal, keys=text, text=text))
    stack, own = model.encode(signal), torch.eye(8, dtype=torch.bool)
    text_codes = model.quantizer.eval().encode(term.as_latent(texts))
    vectors = {
        "pre": (latent, texts),
        "adc": (model.quantizer.decode(stack.levels)[..., 0], texts),
        "post": (model.quantizer.decode(stack.levels)[..., 0], model.quantizer.decode(text_codes)[..., 0]),
    }
    for tap, (items, paired) in vectors.items():
        unit = torch.nn.functional.normalize
        scores = unit(items, dim=1).double() @ unit(paired, dim=1).double().T
        assert found.values[f"recall_at_1_image_to_text_{tap}"] == pytest.approx(recall(scores, own, 1), abs=1e-6)
        assert found.values[f"recall_at_3_text_to_image_{tap}"] == pytest.approx(recall(scores.T, own, 3), abs=1e-6)
    equal = sum((a[:, None, 0] == b[None, :, 0]).double() for a, b in zip(stack.levels, text_codes, strict=True))
    assert found.values["recall_at_1_image_to_text_codes"] == pytest.approx(recall(equal, own, 1))
    assert 0 <= found.values["zero_shot"] <= 1
    assert found.protocols["recall_at_1_image_to_text_codes"].startswith(
        "number of equal codes of image and text, among 8"
    )
    assert found.pictures is None  # nothing is reconstructed, so nothing is shown as if it were


def test_text_that_is_the_item_is_always_found():
    class Known(Align):
        def of_pairs(self, batch):
            return torch.nn.functional.normalize(batch.pair, dim=1)

    model, data = one_token(), labelled()
    pairs = [model.embed(batch.signal)[:, 0] for batch in data]
    batches = [Batch(signal=b.signal, keys=b.keys, pair=p) for b, p in zip(data, pairs, strict=True)]
    found = evaluate(model, batches, metrics=METRICS, alignment=Known(**towers().arguments))
    for way in ("image_to_text", "text_to_image"):
        assert found.values[f"recall_at_1_{way}_pre"] == 1
    # Both sides are the same embedding through the same book, so neither way is harder.
    for tap in ("post", "codes"):
        assert found.values[f"recall_at_1_image_to_text_{tap}"] == found.values[f"recall_at_1_text_to_image_{tap}"]


def test_what_is_missing_is_named():
    retrieval = {"recall": METRICS["adc"]}
    with pytest.raises(ValueError, match="recall need the text tower of a run with an align term"):
        evaluate(one_token(), labelled(), metrics=retrieval)
    with pytest.raises(ValueError, match="recall need items with text or pairs"):
        evaluate(one_token(), labelled(text=False), metrics=retrieval, alignment=towers())
    with pytest.raises(ValueError, match="IdentityQuantizer has no codes; leave the taps post and codes out"):
        identity = one_token(IdentityQuantizer(latent_dim=6))
        evaluate(identity, labelled(), metrics={"codes": METRICS["codes"]}, alignment=towers())
    with pytest.raises(ValueError, match="compare signals with their reconstructions, but this tokenizer only encodes"):
        evaluate(one_token(), labelled(), metrics={"psnr": PeakSignalToNoiseRatio()})
    with pytest.raises(ValueError, match="only encodes"):
        one_token().decode(one_token().encode(labelled()[0].signal))
    with pytest.raises(ValueError, match="two metrics give"):
        evaluate(one_token(), labelled(), metrics={"a": METRICS["pre"], "b": METRICS["pre"]}, alignment=towers())
    with pytest.raises(ValueError, match="look at all levels"):
        evaluate(one_token(), labelled(), metrics=retrieval, alignment=towers(), levels=1)
    with pytest.raises(ValueError, match="tap is 'z'"):
        Retrieval(tap="z", ranks=[1], between=["image", "text"])
    with pytest.raises(ValueError, match="the label 5 has no text: classes names 2"):
        shot = ZeroShot(tap="pre", classes=["a", "b"], template="{}")
        shot.accuracy(torch.ones(1, 2), torch.ones(2, 2), torch.tensor([5]))


def test_grids_have_no_codes_beside_texts():
    with pytest.raises(ValueError, match="the taps post and codes need items of one token"):
        dim = tokenizer().quantizer.latent_dim
        texts = [Batch(signal=b.signal, keys=b.keys, lengths=b.lengths, text=WORDS[: len(b.keys)]) for b in batches()]
        evaluate(tokenizer(), texts, metrics={"codes": METRICS["codes"]}, alignment=towers(latent_dim=dim, width=dim))


def test_chance_is_told():
    assert "chance 0.1250 at rank 1" in METRICS["pre"].protocol(8)
