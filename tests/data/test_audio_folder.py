import logging

import numpy as np
import pytest
from sound_files import MUSIC, SPEECH, bad_files, tone, write

from signaltok.data import audio_source
from signaltok.data.audio_folder import AudioFolder, normalised, read_transcripts
from signaltok.data.split import SPLITS


def folder(root, **changes):
    arguments = {"root": str(root), "split": "all", "sample_rate": 16000, "channels": 1, "resample": False}
    return AudioFolder(**(arguments | changes))


def test_the_prompts_are_split_by_what_is_said():
    source = folder(SPEECH, split="text")
    keys = {split: source.keys(split) for split in ("train", "val", "test")}
    assert {split: len(found) for split, found in keys.items()} == {"train": 453, "val": 62, "test": 53}
    texts = read_transcripts(SPEECH / "transcripts.tsv")
    words = {split: {normalised(texts[key]) for key in found} for split, found in keys.items()}
    assert not words["train"] & words["test"] and not words["train"] & words["val"] and not words["val"] & words["test"]
    assert len(texts) == 568 and len(set(map(normalised, texts.values()))) < 568, "some words are said twice"


def test_the_samples_of_data_music_are_24_kilohertz_mono():
    source = folder(MUSIC, split="hash", sample_rate=24000)
    about = source.describe()
    assert about["files"] == {"train": 124, "val": 23, "test": 18}
    assert "resampled" not in about and "unreadable" not in about


@pytest.mark.parametrize(
    ("one", "other"),
    [("Press 1, please.", "press 1 please"), ("Don't", "don t"), ("ÉTÉ", "été"), ("two  words", "Two words!")],
)
def test_case_and_punctuation_are_not_what_is_said(one, other):
    assert normalised(one) == normalised(other)


def test_text_without_words_is_itself():
    assert normalised("[ ]") == "[ ]" and normalised("yes") != normalised("no")


def test_unreadable_files_are_left_out_counted_and_named(tmp_path, caplog):
    bad = bad_files(tmp_path)
    write(tmp_path / "good" / "a.wav", tone(0.3, 16000))
    with caplog.at_level(logging.WARNING):
        source = folder(tmp_path)
    # What only its samples show (NaN, a mended length) is found when they are read.
    assert source.keys("train") == ("cut.wav", "good/a.wav", "nan.wav", "whole.wav")
    about = source.describe()["unreadable"]
    assert about["files"] == 5 and "nothing.g722 (the file is empty" in about["which"]
    assert "5 of 9 audio files" in caplog.text and set(source.unreadable) < set(bad)


@pytest.mark.parametrize("memory", [0, audio_source.MEMORY])
def test_what_only_samples_show_is_left_out_by_an_examination(memory, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(audio_source, "MEMORY", memory)
    monkeypatch.setattr(audio_source, "PIECE", 3000)  # a broken sample of a later piece is found too
    write(tmp_path / "good.wav", tone(0.3, 16000))
    plain = folder(tmp_path).fingerprint()
    samples = tone(0.3, 16000)
    samples[4000] = np.nan
    write(tmp_path / "late.wav", samples, subtype="FLOAT")
    source = folder(tmp_path)
    assert source.keys("val") == ("good.wav", "late.wav") and not source.unreadable
    with caplog.at_level(logging.WARNING):
        source.examine(("val", "test"))
    assert "1 of 2 audio files" in caplog.text and "late.wav (it holds samples that are not numbers" in caplog.text
    assert all(source.keys(split) == ("good.wav",) for split in SPLITS)
    assert source.describe()["unreadable"]["files"] == 1 and source.describe()["files"]["val"] == 1
    assert source.fingerprint() == plain  # so that a run goes on when the file has been removed


def test_sets_too_large_to_be_hashed_are_not_examined(tmp_path, monkeypatch):
    write(tmp_path / "nan.wav", np.array([0.1, np.nan], np.float32), subtype="FLOAT")
    monkeypatch.setattr(audio_source, "CONTENT_LIMIT", 1)
    source = folder(tmp_path)
    source.examine(SPLITS)
    assert source.keys("val") == ("nan.wav",)


def test_many_unreadable_files_are_named_in_part(tmp_path):
    for number in range(9):
        (tmp_path / f"{number}.wav").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"none of the 9 audio files .* the first is 0\.wav"):
        folder(tmp_path)
    write(tmp_path / "good.wav", tone(0.1, 16000))
    assert "4.wav" in (words := folder(tmp_path).describe()["unreadable"]["which"]) and words.endswith("and 4 more")


def test_another_rate_is_refused_or_resampled_and_said(tmp_path):
    write(tmp_path / "a.wav", tone(1, 16000))
    write(tmp_path / "b.wav", tone(1, 44100), 44100)
    with pytest.raises(ValueError, match=r"1 of 2 files .* such as b\.wav with 44100; set data\.resample=true"):
        folder(tmp_path)
    source = folder(tmp_path, resample=True)
    assert source.length("b.wav") == 16000
    assert source.segment("b.wav", 0, 16000).shape == (1, 16000)
    assert source.describe()["resampled"].startswith("1 files of 44100 Hz, by windowed sinc")


def test_a_small_set_is_decoded_once_and_of_a_large_one_no_more_is_read_than_is_asked_for(tmp_path, monkeypatch):
    write(tmp_path / "a.wav", tone(1, 16000))
    read, stretches = audio_source.read_segment, []

    def counted(path, header, rate, channels, start, stop):
        stretches.append((start, stop))
        return read(path, header, rate, channels, start, stop)

    monkeypatch.setattr(audio_source, "read_segment", counted)
    kept = folder(tmp_path)
    first = kept.segment("a.wav", 100, 300)
    first.zero_()  # what was given is the caller's own
    small = [kept.segment("a.wav", start, start + 200) for start in (100, 500)]
    assert stretches == [(0, 16000)]
    monkeypatch.setattr(audio_source, "MEMORY", 16000 * 4 - 1)
    large = [folder(tmp_path).segment("a.wav", start, start + 200) for start in (100, 500)]
    assert stretches[1:] == [(100, 300), (500, 700)]
    assert all((one == other).all() for one, other in zip(small, large, strict=True)) and small[0].any()


def test_stereo_is_mixed_for_a_mono_model_and_more_channels_are_left_out_of_a_stereo_one(tmp_path):
    write(tmp_path / "a.wav", tone(0.1, 16000, channels=2))
    write(tmp_path / "b.wav", tone(0.1, 16000, channels=3))
    assert folder(tmp_path).segment("b.wav", 0, 1600).shape == (1, 1600)
    stereo = folder(tmp_path, channels=2)
    assert stereo.keys("val") == ("a.wav",) and "3 channels" in stereo.unreadable["b.wav"]


def test_the_fingerprint_says_what_is_heard(tmp_path):
    write(tmp_path / "a.wav", tone(0.1, 16000))
    first = folder(tmp_path).fingerprint()
    assert first.startswith("contents:") and first == folder(tmp_path).fingerprint()
    assert first != folder(tmp_path, channels=2).fingerprint()
    write(tmp_path / "a.wav", tone(0.1, 16000, hertz=221))
    assert first != folder(tmp_path).fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "speaker"}, "data.split is 'speaker'; it is one of hash, text, all"),
        ({"split": "text"}, "there is no .*transcripts.tsv"),
        ({"sample_rate": 0}, "data.sample_rate is 0"),
        ({"channels": 0}, "data.channels is 0"),
    ],
)
def test_wrong_settings(tmp_path, changes, message):
    write(tmp_path / "a.wav", tone(0.1, 16000))
    with pytest.raises(ValueError, match=message):
        folder(tmp_path, **changes)


def test_a_line_without_a_tab_and_an_empty_folder(tmp_path):
    (tmp_path / "transcripts.tsv").write_text("a.wav\tone\nb.wav two\n")
    with pytest.raises(ValueError, match=r"line 2 of .* has no tab"):
        read_transcripts(tmp_path / "transcripts.tsv")
    with pytest.raises(ValueError, match=r"holds no audio; expected files ending in \.flac, \.g722"):
        folder(tmp_path)


def test_an_empty_split_says_what_there_is(tmp_path):
    write(tmp_path / "a.wav", np.zeros(10, np.float32))
    source = folder(tmp_path, split="hash")
    with pytest.raises(ValueError, match=r"the \w+ split .* its 1 files are split into"):
        [source.keys(split) for split in ("train", "val", "test")]
