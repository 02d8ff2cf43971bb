"""Utterances with their texts: what is matched, what is left out, speeds, and the order of a run."""

import logging

import pytest
import soundfile
import torch

from signaltok.data.transcribed import TranscribedFolderData
from signaltok.data.utterance_order import UtteranceOrder

RATE = 8000
TEXTS = {"a.wav": "One 2", "b.wav": "two", "c.wav": "three", "sub/d.wav": "four"}
REASON = "it holds samples that are not numbers (NaN); remove or replace it"
SECONDS = {"a.wav": 1.0, "b.wav": 0.5, "c.wav": 0.25, "sub/d.wav": 3.0}


@pytest.fixture
def folder(tmp_path):
    for number, (key, seconds) in enumerate(SECONDS.items()):
        path = tmp_path / key
        path.parent.mkdir(exist_ok=True)
        values = torch.rand(round(seconds * RATE), generator=torch.Generator().manual_seed(number)) - 0.5
        soundfile.write(path, values.numpy(), RATE)
    write(tmp_path, TEXTS)
    return tmp_path


def write(folder, texts):
    (folder / "transcripts.tsv").write_text("".join(f"{key}\t{text}\n" for key, text in texts.items()))


def data(folder, **changes) -> TranscribedFolderData:
    plain = {
        "root": str(folder), "split": "all", "normaliser": "english_prompts", "unmatched": "error",
        "sample_rate": RATE, "channels": 1, "resample": False, "longest_seconds": 2.0, "speeds": [0.9, 1.0, 1.1],
        "batch_seconds": 2.0, "batch_size": 4, "eval_batch_size": 2, "num_workers": 0,
    }  # fmt: skip
    return TranscribedFolderData(**plain | changes)


def test_items_are_whole_files_with_their_normalised_text(folder, caplog):
    with caplog.at_level(logging.WARNING):
        made = data(folder)
    found = {item.key: item for item in made.eval_set("test")}
    assert {key: item.text for key, item in found.items()} == {
        "a.wav": "one two", "b.wav": "two", "c.wav": "three", "sub/d.wav": "four"
    }  # fmt: skip
    assert found["sub/d.wav"].signal.shape == (1, 3 * RATE)
    assert made.describe()["left_out"] == {"of train, longer than 2 s": {"items": 1, "which": "sub/d.wav"}}
    assert "1 files longer than 2 s are left out of train" in caplog.text
    (batch, _) = list(made.eval_loader("val", rank=0, world=1))
    assert batch.text == ("one two", "two") and batch.lengths.tolist() == [[RATE], [RATE // 2]]
    assert made.optional_fields() == {"text"}


def test_an_examination_leaves_out_what_cannot_be_read_of_every_split(folder):
    samples = torch.zeros(RATE // 2)
    samples[-1] = torch.nan
    soundfile.write(folder / "b.wav", samples.numpy(), RATE, subtype="FLOAT")
    made = data(folder)
    with pytest.raises(ValueError, match=r"b\.wav: it holds samples that are not numbers"):
        list(made.eval_set("test"))
    made.examine()
    assert [item.key for item in made.eval_set("test")] == ["a.wav", "c.wav", "sub/d.wav"]
    assert len(made.train_set(0).utterances) == 2
    assert made.describe()["unreadable"] == {"files": 1, "which": f"b.wav ({REASON})"}
    assert made.describe()["utterances"] == {"train": 2, "val": 3, "test": 3}
    assert {item.key for item in made.transcripts()} == {"a.wav", "c.wav", "sub/d.wav"}


def test_training_items_are_a_function_of_their_number_at_one_of_the_speeds(folder):
    items = data(folder).train_set(0)
    torch.manual_seed(5)
    seen = {}
    for number in range(30):
        item, again = items[number], data(folder).train_set(0)[number]
        assert torch.equal(item.signal, again.signal) and item.key == again.key
        key, speed = item.key.split("#speed=")
        assert item.text == {"a.wav": "one two", "b.wav": "two", "c.wav": "three"}[key]
        assert item.signal.shape[1] == -(-round(SECONDS[key] * RATE) * 20 // round(float(speed) * 20))
        seen.setdefault(speed, item)
    assert set(seen) == {"0.9", "1", "1.1"}
    whole = items.utterances[0].signal
    assert any(torch.equal(items[n].signal, whole) for n in range(0, 30, 3))


def test_what_a_run_is_told_of_its_items_is_at_their_fastest(folder):
    told = {(item.key, item.split): item for item in data(folder).transcripts()}
    assert told["a.wav", "train"].least == -(-RATE * 20 // 22) and told["a.wav", "test"].least == RATE
    assert ("sub/d.wav", "train") not in told and told["sub/d.wav", "val"].text == "four"


@pytest.mark.parametrize(
    ("change", "reason", "key"),
    [
        ({"b.wav": None}, "audio without a transcript", "b.wav"),
        ({"z.wav": "gone"}, "transcripts without audio", "z.wav"),
        ({"c.wav": "[a beep]"}, "transcripts without words by the normaliser english_prompts", "c.wav"),
    ],
)
def test_what_does_not_match_is_an_error_or_left_out_counted_and_named(folder, change, reason, key, caplog):
    texts = {name: text for name, text in (TEXTS | change).items() if text is not None}
    write(folder, texts)
    with pytest.raises(ValueError, match=rf"has 1 {reason}: {key}\. Mend them, or set data\.unmatched=leave_out"):
        data(folder)
    with caplog.at_level(logging.WARNING):
        made = data(folder, unmatched="leave_out")
    assert made.describe()["left_out"][reason] == {"items": 1, "which": key} and reason in caplog.text
    assert key not in {item.key for item in made.eval_set("test")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unmatched": "skip"}, "data.unmatched is 'skip'; it is one of error, leave_out"),
        ({"speeds": [0.93]}, "each is a multiple of 0.05 above 0"),
        ({"speeds": []}, "data.speeds is"),
        ({"batch_seconds": 0.0}, "batch_seconds 0.0; both must be above 0"),
        ({"normaliser": "plain"}, "there is no normaliser 'plain'"),
        ({"batch_size": 0}, "data.batch_size is 0"),
    ],
)
def test_bad_settings_are_said(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        data(folder, **changes)


def test_a_folder_without_transcripts_is_said(folder):
    (folder / "transcripts.tsv").unlink()
    with pytest.raises(ValueError, match=r"there is no .*transcripts\.tsv"):
        data(folder)


def test_no_training_item_is_short_enough(folder):
    with pytest.raises(ValueError, match=r"the train split .* has no utterance \(0 train, 4 val, 4 test\)"):
        data(folder, longest_seconds=0.1).train_set(0)


def order(**changes) -> UtteranceOrder:
    lengths = torch.randint(10, 100, (50,), generator=torch.Generator().manual_seed(0)).tolist()
    plain = {"lengths": [*lengths, 900], "most": 300, "batch_size": 8, "seed": 1, "num_batches": 40,
             "start_batch": 0, "rank": 0, "world": 1}  # fmt: skip
    return UtteranceOrder(**plain | changes)


def test_batches_hold_at_most_so_much_and_each_pass_every_utterance_once():
    made = order()
    batches = list(made)
    assert len(batches) == len(made) == 40
    for batch in batches:
        lengths = [int(made.lengths[number % 51]) for number in batch]
        assert len(batch) <= 8 and (len(batch) == 1 or max(lengths) * len(batch) <= 300)
    first = [number for batch in batches for number in batch if number < 51]
    assert sorted(first) == list(range(51))
    padded = sum(max(int(made.lengths[n % 51]) for n in b) * len(b) for b in batches)
    heard = sum(int(made.lengths[n % 51]) for b in batches for n in b)
    assert padded < 1.25 * heard
    assert batches != list(order(seed=2))


def test_a_run_that_goes_on_and_processes_that_share_it_see_the_same_batches():
    batches = list(order())
    assert list(order(start_batch=17)) == batches[17:]
    shares = [list(order(num_batches=20, rank=rank, world=2)) for rank in range(2)]
    assert [batch for pair in zip(*shares, strict=True) for batch in pair] == batches
