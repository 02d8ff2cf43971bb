import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_tokenizer import batches, tokenizer
from two_processes_count import figures

from signaltok.metrics.codes import summarize_counts
from signaltok.metrics.distortion import PeakSignalToNoiseRatio, StructuralSimilarity, psnr, ssim
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.kept import ITEMS

METRICS = {"psnr": PeakSignalToNoiseRatio(), "ssim": StructuralSimilarity()}


def test_values_are_means_over_items_and_counts_are_those_of_encode():
    model, data = tokenizer(), batches()
    found = evaluate(model, data, metrics=METRICS)
    signal = torch.cat([batch.signal for batch in data])
    stack = model.encode(signal)
    decoded = model.decode(stack).clamp(-1, 1)
    assert found.values["psnr"] == pytest.approx(float(psnr(signal, decoded, (-1.0, 1.0)).mean()))
    assert found.values["ssim"] == pytest.approx(float(ssim(signal, decoded, (-1.0, 1.0)).mean()))
    expected = tuple(
        torch.bincount(level.flatten(), minlength=size) for level, size in zip(stack.levels, (4, 2), strict=True)
    )
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found.counts, expected, strict=True))
    assert all(int(level.min()) > 0 for level in expected), "every code occurs, or the test shows little"
    about_codes = summarize_counts(expected, signal[:, 0].numel())
    assert {name: found.values[name] for name in about_codes} == about_codes
    assert found.values["bits_per_pixel"] == pytest.approx(3 / 64)


def test_batches_of_any_size_give_the_same_values():
    data = batches()
    single = [
        type(batch)(signal=batch.signal[item : item + 1], keys=batch.keys[item : item + 1])
        for batch in data
        for item in range(4)
    ]
    one, other = (evaluate(tokenizer(), part, metrics=METRICS) for part in (data, single))
    assert one.values == pytest.approx(other.values, rel=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(one.counts, other.counts, strict=True))


def test_padding_counts_nowhere():
    lengths = torch.tensor([[16, 24], [16, 24], [11, 17], [16, 12]])
    padded = batches(lengths=lengths)
    alone = [
        type(batch)(signal=batch.signal[item : item + 1, :, :height, :width], keys=("item",))
        for batch in padded
        for item, (height, width) in enumerate(lengths.tolist())
    ]
    one, other = (evaluate(tokenizer(), part, metrics=METRICS) for part in (padded, alone))
    assert one.values == pytest.approx(other.values, rel=1e-9)
    assert all(torch.equal(a, b) for a, b in zip(one.counts, other.counts, strict=True))


def test_values_beyond_the_range_are_cut_before_they_are_measured():
    model, data = tokenizer(), batches()
    model.decoder.project.bias.data += 5
    found = evaluate(model, data, metrics=METRICS)
    white = torch.ones(4, 3, 16, 24)
    expected = torch.cat([psnr(batch.signal, white, (-1.0, 1.0)) for batch in data]).mean()
    assert found.values["psnr"] == pytest.approx(float(expected))
    assert found.pictures is not None and int(found.pictures.reconstructions.min()) == 255


def test_without_codes_there_is_distortion_alone():
    found = evaluate(tokenizer(codes=False), batches(), metrics=METRICS)
    assert found.values.keys() == METRICS.keys()
    assert found.counts == ()
    assert found.pictures is not None and found.pictures.codes is None


def test_pictures_are_items_spread_over_the_split_with_their_own_codes():
    model, data = tokenizer(), batches()
    kept = evaluate(model, data, metrics={}).pictures
    assert kept is not None and kept.codes is not None
    order = [key for batch in data for key in batch.keys]
    places = [order.index(key) for key in kept.keys]
    assert len(places) == ITEMS and places == sorted(set(places)) and places[0] == 0 and places[-1] >= 16
    signal = torch.cat([batch.signal for batch in data])[places]
    pixels = lambda values: ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)  # noqa: E731
    stack = model.encode(signal)
    assert torch.equal(kept.originals, pixels(signal))
    assert torch.equal(kept.codes, stack.levels[0])
    assert int((kept.reconstructions.int() - pixels(model.decode(stack)).int()).abs().max()) <= 1


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_as_it_was_and_every_batch_is_told(training):
    model, told = tokenizer().train(training), []
    evaluate(model, batches(), metrics={}, on_batch=told.append)
    assert model.training is training and told == [4] * 5


def test_nothing_to_evaluate_and_names_taken_twice_are_errors():
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate(tokenizer(), [], metrics=METRICS)
    with pytest.raises(ValueError, match=r"\['usage'\] have the names of numbers about codes"):
        evaluate(tokenizer(), batches(), metrics={"usage": PeakSignalToNoiseRatio()})


def test_two_processes_give_the_values_of_the_whole_split(tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("two_processes_count.py"))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "tokenizers")}
    processes = [
        subprocess.Popen([*command, str(rank), str(tmp_path)], stderr=subprocess.PIPE, text=True, env=environment)
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=800)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    whole = figures(0, 1)
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    for name, alone in whole.items():
        assert one[name]["values"] == other[name]["values"] == pytest.approx(alone["values"], rel=1e-12), name
        assert one[name]["counts"] == other[name]["counts"] == alone["counts"], name
    assert other["one batch"]["pictures"] is None, "the second process had nothing, or the test shows little"
    assert "nothing to evaluate" in whole["no items"]["counts"][0]
    first, second = ({*found["photographs"]["pictures"]} for found in (one, other))
    assert len(first) == 7 and len(second) == 6 and not first & second
