"""Linear probes of an evaluation: taps, halves, labels."""

import dataclasses

import pytest
import torch
from tiny_tokenizer import batches, tokenizer

from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.probe import LinearProbe, is_held_out
from signaltok.metrics.ridge import accuracy, fit
from signaltok.metrics.taps import tapped
from signaltok.types.batch import Batch

LENGTHS = torch.tensor([[16, 24], [9, 24], [16, 7], [8, 8]])


def labelled(*, lengths: torch.Tensor | None = None, repeats: int = 4) -> list[Batch]:
    """Pictures of two classes, dark and bright; items of one batch differ in size where lengths are given."""
    found = []
    for number, batch in enumerate(batches(lengths=lengths) * repeats):
        labels = torch.tensor([0, 1, 0, 1])
        signal = (batch.signal * 0.4 + (labels.view(-1, 1, 1, 1) - 0.5) * 0.8).clamp(-1, 1)
        keys = tuple(f"{number}-{item}#y=0,x=0" for item in range(4))
        found.append(Batch(signal=signal, keys=keys, lengths=batch.lengths, labels=labels))
    return found


def test_a_probe_is_ridge_regression_on_the_mean_latent_of_one_half():
    model, data = tokenizer(), labelled()
    found = evaluate(model, data, metrics={"probe": LinearProbe(tap="encoder", penalty=1e-2)})
    features = torch.cat([model.embed(batch.signal).mean(1) for batch in data])
    labels = torch.cat([batch.labels for batch in data])
    apart = torch.tensor([is_held_out(key) for batch in data for key in batch.keys])
    expected = accuracy(fit(features[~apart], labels[~apart], 2, 1e-2), features[apart], labels[apart])
    assert found.values["probe"] == expected > 0.9
    assert found.protocols["probe"] == (
        f"ridge regression (penalty 0.01 an item) on encoder, mean over positions; fitted to {int((~apart).sum())} "
        f"items of the split, accuracy on {int(apart.sum())} others"
    )
    assert 20 < apart.sum() < 60


def test_crops_of_one_picture_are_on_one_side():
    assert {is_held_out(f"a.jpg#y={n},x=0") for n in range(20)} == {is_held_out("a.jpg")}
    assert {is_held_out(f"{n}.jpg#y=0,x=0") for n in range(20)} == {True, False}


def test_padding_is_no_part_of_any_tap():
    model = tokenizer()
    batch = labelled(lengths=LENGTHS, repeats=1)[0]
    assert batch.lengths is not None
    with torch.no_grad():
        together = model(batch.signal, batch.lengths)
        stack = model.stack(together.quantized.codes, (16, 24), batch.lengths)
        for tap in ("encoder", "z_q", "code_bag"):
            rows = tapped(tap, model.quantizer, together, stack)
            for number, (height, width) in enumerate(batch.lengths.tolist()):
                item = batch.signal[number : number + 1, :, :height, :width].contiguous()
                alone = model(item)
                own = tapped(tap, model.quantizer, alone, model.stack(alone.quantized.codes, (height, width), None))
                assert torch.allclose(rows[number], own[0], atol=1e-6), (tap, number)


def test_the_bag_of_codes_holds_the_share_of_each_code_level_beside_level():
    model = tokenizer()
    signal = labelled()[0].signal
    with torch.no_grad():
        result = model(signal)
    stack = model.encode(signal)
    bag = tapped("code_bag", model.quantizer, result, stack)
    for item in range(4):
        expected = [
            torch.bincount(level[item].flatten(), minlength=k) / 6
            for level, k in zip(stack.levels, (4, 2), strict=True)
        ]
        assert torch.allclose(bag[item].float(), torch.cat(expected))


def test_what_is_not_there_is_named():
    probe = {"probe": LinearProbe(tap="z_q", penalty=1.0)}
    unlabelled = [dataclasses.replace(batch, labels=None) for batch in labelled()]
    with pytest.raises(ValueError, match="probe need labels, which these data do not have; take data=emoji"):
        evaluate(tokenizer(), unlabelled, metrics=probe)
    bag = {"probe": LinearProbe(tap="code_bag", penalty=1.0)}
    with pytest.raises(ValueError, match="IdentityQuantizer has no codes, so there is no tap code_bag"):
        evaluate(tokenizer(codes=False), labelled(), metrics=bag)
    embedding = {"probe": LinearProbe(tap="code_embedding", penalty=1.0)}
    with pytest.raises(ValueError, match="TwoSigns lists no vectors of its codes"):
        evaluate(tokenizer(), labelled(), metrics=embedding)
    with pytest.raises(ValueError, match="tap is 'latent'; it is one of encoder, z_q"):
        LinearProbe(tap="latent", penalty=1.0)
    with pytest.raises(ValueError, match=r"penalty is 0\.0; it must be above 0"):
        LinearProbe(tap="z_q", penalty=0.0)
