"""The model looks at nothing that comes later; costs are their closed forms; samples parse; the proofs can fail."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_stores import tiny, token_data

from signaltok.artifact.describe import build, describe
from signaltok.language.evaluation import evaluate_language
from signaltok.language.gpt import GPT
from signaltok.language.proof import BelowUnigram, Overfit, ShuffledControl, shares, shuffled
from signaltok.language.samples import Samples
from signaltok.language.sampling import sample_documents
from signaltok.language.token_batch import TokenBatch
from signaltok.language.token_data import PADDING
from signaltok.streams.errors import TokenDataError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return token_data(tmp_path_factory.mktemp("tokens"))


@pytest.fixture
def model(data):
    return tiny(data).eval()


def test_a_later_id_changes_no_earlier_logit(model):
    ids = torch.randint(0, 100, (2, 20))
    changed = ids.clone()
    changed[:, 12] = 101
    with torch.no_grad():
        one, two = model(ids), model(changed)
    assert torch.equal(one[:, :12], two[:, :12]) and not torch.equal(one[:, 12:], two[:, 12:])


def test_every_parameter_learns_and_the_description_builds_it_again(model):
    ids = torch.randint(0, 100, (2, model.context + 1))
    total, _ = model.losses(ids, torch.full((2, model.context), 0.5))
    total.backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert {n: t.shape for n, t in build(describe(model)).state_dict().items()} == {
        n: t.shape for n, t in model.state_dict().items()
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"heads": 3}, "which 3 heads do not divide"), ({"depth": 0}, r"depth is 0"), ({"context": 0}, r"context is 0")],
)
def test_a_model_that_cannot_be_is_named(data, changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(data, **changes)


def test_more_ids_than_the_context_are_refused(model):
    with pytest.raises(ValueError, match="25 ids are more than the context of 24"):
        model(torch.zeros(1, 25, dtype=torch.int64))


def uniform(model):
    with torch.no_grad():
        model.embedding.weight.zero_()
    return model


def test_costs_of_a_model_that_knows_nothing(data, model):
    split = data.splits["val"]
    values = evaluate_language(uniform(model), data.eval_loader("val", rank=0, world=1), data.vocabulary, split)
    bits = math.log2(data.vocabulary.padded_size)
    for name in ("text", "image", "audio"):
        assert values[f"bits_per_token_{name}"] == pytest.approx(bits, rel=1e-6)
    assert values["bits_per_token"] == pytest.approx(bits, rel=1e-6)
    kinds = {"image": (2, 3), "audio": (3, 1)}
    for name, (kind, channels) in kinds.items():
        positions = sum(math.prod(e.signal.signal_size) for e in data.told["val"] if e.signal.stream == name)
        assert split.dimensions[name] == positions * channels
        expected = bits * int((split.segments[1:] == kind).sum()) / (positions * channels)
        assert values[f"bits_per_dimension_{name}"] == pytest.approx(expected, rel=1e-6)
    for name, levels in (("image", ["image/0"]), ("audio", ["audio/0", "audio/1"])):
        found, count = 0.0, 0
        for level in levels:
            block = data.vocabulary.blocks[level]
            own = split.ids[1:][(split.ids[1:] >= block.offset) & (split.ids[1:] < block.offset + block.size)]
            share = np.unique(own, return_counts=True)[1] / len(own)
            found, count = found - len(own) * float((share * np.log2(share)).sum()), count + len(own)
        assert values[f"unigram_{name}"] == pytest.approx(found / count, rel=1e-9)


def test_no_channels_no_bits_a_dimension(data, model):
    bare = replace(data.splits["val"], dimensions={"image": None, "audio": None})
    values = evaluate_language(model, data.eval_loader("val", rank=0, world=1), data.vocabulary, bare)
    assert not [name for name in values if name.startswith("bits_per_dimension")] and "unigram_image" in values
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_language(model, [], data.vocabulary, None)


def test_constrained_samples_of_an_untrained_model_parse_and_others_do_not(data, model):
    control, generator = data.vocabulary.control, torch.Generator().manual_seed(0)
    how = {"temperature": 1.0, "generator": generator}
    prompts = [np.array([control["bos"], control["begin_audio"]])] * 3 + [np.array([control["bos"]])] * 3
    sizes = {"audio": (30,), "image": (7, 9)}
    drawn = sample_documents(model, data.grammar, prompts, sizes=sizes, most=600, **how)
    ended = [ids for ids in drawn if ids[-1] == control["eos"]]
    assert len(ended) >= 3
    for ids in ended:
        for segment in data.grammar.parse(ids)[0]:
            if hasattr(segment, "stream"):
                assert segment.signal_size == sizes[segment.stream]
    free = sample_documents(model, data.grammar, prompts[-1:], sizes=None, most=60, **how)[0]
    with pytest.raises(TokenDataError):
        data.grammar.parse(free)


def test_the_model_s_choice_is_among_the_allowed_alone(data, model):
    """A model that is sure of an id that may not stand there draws one that may."""
    control = data.vocabulary.control
    with torch.no_grad():
        model.embedding.weight[control["eos"]] = 50 * model.norm.weight
        model.norm.bias.copy_(model.norm.weight)
    generator = torch.Generator().manual_seed(0)
    (ids,) = sample_documents(
        model, data.grammar, [np.array([control["bos"], control["begin_image"]])], sizes={"image": (12, 16)}, most=200,
        temperature=1.0, generator=generator,
    )  # fmt: skip
    ((signal,),) = data.grammar.parse(ids)
    assert signal.levels[0].shape == (3, 4)


def test_samples_without_a_tokenizer_parse_and_are_not_decoded(data, model):
    samples = Samples(sizes={"image": [12, 16], "audio": [40]}, count=2, unconstrained=2, most=40, temperature=1.0)
    proven = samples.prove(model, data, {}, seed=0)
    assert [(v.rule, v.passed) for v in proven.verdicts] == [("constrained samples parse", True)]
    assert proven.values["parse_rate"] == 1.0 and proven.values["parse_rate_unconstrained"] == 0.0
    with pytest.raises(ValueError, match=r"sizes is of \['image'\], but the streams are"):
        Samples(sizes={"image": [8, 8]}, count=1, unconstrained=0, most=9, temperature=1.0).prove(
            model, data, {}, seed=0
        )  # fmt: skip


def test_overfit_learns_by_heart_and_says_where_it_does_not(data, model):
    proof = Overfit(documents=4, steps=150, learning_rate=1e-2, most_bits=0.3)
    kinds = proof.chosen(data).segments.amax(1).tolist()
    assert sorted(kinds) == [2, 2, 3, 3]
    larger = tiny(data, width=32)
    proven = proof.prove(larger, data, {}, seed=0)
    assert proven.verdicts[0].passed, proven.verdicts[0].words
    assert (
        not Overfit(documents=4, steps=1, learning_rate=1e-2, most_bits=0.3)
        .prove(model, data, {}, seed=0)
        .verdicts[0]
        .passed
    )


def test_shuffling_keeps_the_grammar_and_every_histogram(data):
    split = data.splits["train"]
    other = shuffled(data, split, np.random.default_rng(0))
    assert not np.array_equal(other.ids, split.ids)
    assert np.array_equal(np.bincount(other.ids), np.bincount(split.ids))
    assert len(data.grammar.parse(other.ids)) == len(data.told["train"])


def test_the_control_finds_a_leak(data, model, monkeypatch):
    control = ShuffledControl(steps=2, learning_rate=1e-3, margin=0.05)
    whole = data.splits
    assert control.prove(model, data, {}, seed=0).verdicts[0].passed
    assert data.splits is whole
    # Whoever sees the id that is asked for needs no bits.
    monkeypatch.setattr(
        GPT, "losses", lambda self, ids, weights: (self.places.sum() * 0, torch.full(weights.shape, 0.1))
    )
    assert not control.prove(model, data, {}, seed=0).verdicts[0].passed


def test_below_unigram_takes_every_stream(data, model):
    rule = BelowUnigram(margin=0.05)
    good = {"bits_per_token_image": 2.0, "unigram_image": 2.1, "bits_per_token_text": 3.0, "unigram_text": 4.0}
    assert rule.prove(model, data, good, seed=0).verdicts[0].passed
    assert not rule.prove(model, data, {**good, "unigram_image": 2.04}, seed=0).verdicts[0].passed
    with pytest.raises(ValueError, match=r"margin is 0\.0"):
        BelowUnigram(margin=0.0)


def test_padding_costs_nothing(data, model):
    batch = data.windows("val", [len(data.splits["val"].ids) - 5])
    longer = TokenBatch(batch.ids.clone(), batch.segments)
    longer.ids[:, 5:] = 7
    values = [evaluate_language(model, [b], data.vocabulary, None)["bits_per_token"] for b in (batch, longer)]
    assert values[0] == values[1]


def test_a_weight_counts_an_id_so_many_times(tmp_path):
    data = token_data(tmp_path, weights={"text": 3.0})
    assert data.kinds == ("structure", "text", "image", "audio") and data.weights.tolist() == [1, 3, 1, 1]
    segments = torch.tensor([[0, 1, 2, 0, PADDING]])
    torch.testing.assert_close(shares(segments, data.weights), torch.tensor([[0.6, 0.2, 0.2, 0.0]]))
    for alike in (None, torch.full((4,), 0.01)):
        torch.testing.assert_close(shares(segments, alike), torch.tensor([[1.0, 1.0, 1.0, 0.0]]) / 3)
    assert shares(torch.full((1, 3), PADDING)).tolist() == [[0, 0]]
