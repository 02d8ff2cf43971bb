from collections import Counter

import numpy as np
import pytest
import torch
from sound_files import tone, write

from signaltok.data.audio_source import AudioSource
from signaltok.data.segments import RandomSegments, Windows
from signaltok.data.sound_sets import AudioFolderData

RATE = 8000


@pytest.fixture
def data(tmp_path):
    for name, seconds in (("long", 3.5), ("short", 0.25), ("exact", 1.0)):
        write(tmp_path / f"{name}.wav", tone(seconds, RATE), RATE)
    return lambda **changes: AudioFolderData(
        **{
            "root": str(tmp_path), "split": "all", "sample_rate": RATE, "channels": 1, "resample": False,
            "segment_seconds": 1.0, "eval_seconds": 1.5, "batch_size": 3, "eval_batch_size": 2, "num_workers": 0,
        } | changes
    )  # fmt: skip


def test_a_sample_is_a_function_of_seed_and_number(data):
    one, other = data().train_set(5), data().train_set(5)
    state = torch.get_rng_state()
    for number in (7, 0, 100, 7):
        assert one[number].key == other[number].key
        assert torch.equal(one[number].signal, other[number].signal)
    assert torch.equal(torch.get_rng_state(), state)
    assert [one[n].key for n in range(20)] != [data().train_set(6)[n].key for n in range(20)]


def test_a_pass_has_a_file_once_for_each_segment_that_it_holds(data):
    segments = data().train_set(0)
    for first in (0, 6):
        names = Counter(segments[number].key.split("#")[0] for number in range(first, first + 6))
        assert names == {"long.wav": 4, "short.wav": 1, "exact.wav": 1}


def test_a_segment_is_the_stretch_that_its_key_names(data):
    source, starts = data().source, set()
    for number in range(12):
        item = data().train_set(0)[number]
        name, start = item.key.split("#")
        stop = min(int(start) + RATE, source.length(name))
        assert torch.equal(item.signal, source.segment(name, int(start), stop))
        starts |= {int(start)} if name == "long.wav" else set()
    assert len(starts) > 4 and max(starts) <= 2.5 * RATE


def test_a_file_shorter_than_the_segment_is_padded_and_its_length_noted(data):
    batches = list(data().train_loader(seed=0, num_batches=2, start_batch=0, rank=0, world=1))
    short = [(batch, row) for batch in batches for row, key in enumerate(batch.keys) if key.startswith("short")]
    for batch, row in short:
        assert batch.lengths is not None and int(batch.lengths[row]) == RATE // 4
        assert batch.signal.shape[2] == RATE and not batch.signal[row, :, RATE // 4 :].any()
    assert len(short) == 1


def test_a_run_that_goes_on_sees_what_it_would_have_seen(data):
    whole = list(data().train_loader(seed=3, num_batches=6, start_batch=0, rank=0, world=1))
    rest = list(data().train_loader(seed=3, num_batches=6, start_batch=4, rank=0, world=1))
    assert [batch.keys for batch in whole[4:]] == [batch.keys for batch in rest]
    assert all(torch.equal(a.signal, b.signal) for a, b in zip(whole[4:], rest, strict=True))


def test_two_processes_share_the_batches_of_one(data):
    one = list(data(batch_size=4).train_loader(seed=3, num_batches=2, start_batch=0, rank=0, world=1))
    parts = [
        list(data(batch_size=2).train_loader(seed=3, num_batches=2, start_batch=0, rank=r, world=2)) for r in (0, 1)
    ]
    assert [batch.keys for batch in one] == [a.keys + b.keys for a, b in zip(*parts, strict=True)]


def test_windows_hold_every_sample_once(data):
    items = [data().eval_set("val")[n] for n in range(len(data().eval_set("val")))]
    assert [item.key for item in items] == ["exact.wav", "long.wav#0", "long.wav#12000", "long.wav#24000", "short.wav"]
    assert [item.signal.shape[1] for item in items] == [8000, 12000, 12000, 4000, 2000]
    assert data().describe()["eval_items"] == {"val": 5, "test": 5}


class Broken(AudioSource):
    """A source in which one file cannot be read."""

    sample_rate, channels = RATE, 1

    def keys(self, split):
        return ("bad", "good")

    def length(self, key):
        return RATE

    def segment(self, key, start, stop):
        if key == "bad":
            raise ValueError("cannot read bad: it is broken")
        return torch.ones(1, stop - start)

    def examine(self, splits):
        pass

    def fingerprint(self):
        return "x"

    def describe(self):
        return {}


def test_an_unreadable_file_is_replaced_in_training_and_named_once(caplog):
    segments = RandomSegments(source=Broken(), split="train", size=RATE, seed=0)
    assert {segments[number].key for number in range(10)} == {"good#0"}
    assert caplog.text.count("cannot read bad: it is broken; another file is taken in its place") == 1


def test_an_unreadable_file_stops_an_evaluation():
    windows = Windows(source=Broken(), split="test", size=RATE)
    with pytest.raises(ValueError, match="cannot read bad: it is broken"):
        windows[0]


def test_where_no_file_can_be_read_training_says_so():
    source = Broken()
    source.keys = lambda split: ("bad",)  # type: ignore[method-assign]
    segments = RandomSegments(source=source, split="train", size=RATE, seed=0)
    with pytest.raises(ValueError, match="none of 1 files can be read"):
        segments[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segment_seconds": 0.0}, r"data\.segment_seconds is 0\.0; it must be a sample or more"),
        ({"eval_seconds": -1.0}, r"data\.eval_seconds is -1\.0"),
        ({"batch_size": 0}, r"data\.batch_size is 0; it must be 1 or more"),
    ],
)
def test_wrong_settings(data, changes, message):
    with pytest.raises(ValueError, match=message):
        data(**changes)


def test_one_sample_files_train(tmp_path):
    write(tmp_path / "one.wav", np.array([0.5], np.float32), RATE)
    data = AudioFolderData(
        root=str(tmp_path), split="all", sample_rate=RATE, channels=1, resample=False, segment_seconds=1.0,
        eval_seconds=1.0, batch_size=2, eval_batch_size=1, num_workers=0,
    )  # fmt: skip
    (batch,) = data.train_loader(seed=0, num_batches=1, start_batch=0, rank=0, world=1)
    assert batch.signal.shape == (2, 1, 1)
