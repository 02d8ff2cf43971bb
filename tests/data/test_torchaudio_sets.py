import pytest
from sound_files import tone, write

from signaltok.data.sound_sets import LibriSpeechData, LJSpeechData, SpeechCommandsData

REST = {
    "sample_rate": 16000, "channels": 1, "resample": False, "segment_seconds": 0.5, "eval_seconds": 30.0,
    "batch_size": 2, "eval_batch_size": 2, "num_workers": 0,
}  # fmt: skip


def test_librispeech_has_its_own_splits(tmp_path):
    for part, speaker in (("train-clean-100", 1), ("train-clean-360", 2), ("dev-clean", 3), ("test-clean", 4)):
        chapter = tmp_path / "LibriSpeech" / part / str(speaker) / "10"
        write(chapter / f"{speaker}-10-0000.flac", tone(1, 16000))
        (chapter / f"{speaker}-10.trans.txt").write_text(f"{speaker}-10-0000 SOME WORDS\n")
    data = LibriSpeechData(
        root=str(tmp_path), train=["train-clean-100", "train-clean-360"], val=["dev-clean"], test=["test-clean"], **REST
    )
    assert data.source.keys("train") == (
        "train-clean-100/1/10/1-10-0000.flac", "train-clean-360/2/10/2-10-0000.flac",
    )  # fmt: skip
    assert data.source.keys("test") == ("test-clean/4/10/4-10-0000.flac",)
    assert "by speaker: train train-clean-100 and train-clean-360" in data.describe()["split_rule"]
    (batch,) = data.train_loader(seed=0, num_batches=1, start_batch=0, rank=0, world=1)
    assert batch.signal.shape == (2, 1, 8000)


def test_speech_commands_has_its_own_lists(tmp_path):
    root = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    for word, speaker in (("yes", "aa"), ("yes", "bb"), ("no", "cc")):
        write(root / word / f"{speaker}_nohash_0.wav", tone(1, 16000))
    (root / "validation_list.txt").write_text("yes/bb_nohash_0.wav\n")
    (root / "testing_list.txt").write_text("no/cc_nohash_0.wav\n")
    data = SpeechCommandsData(root=str(tmp_path), **REST)
    found = {split: data.source.keys(split) for split in ("train", "val", "test")}
    assert {split: [key.rpartition("/")[2] for key in keys] for split, keys in found.items()} == {
        "train": ["aa_nohash_0.wav"], "val": ["bb_nohash_0.wav"], "test": ["cc_nohash_0.wav"],
    }  # fmt: skip
    assert len(list(data.eval_loader("val", rank=0, world=1))) == 1


def test_lj_speech_is_split_by_what_is_said(tmp_path):
    lines = []
    for number in range(40):
        name = f"LJ001-{number:04d}"
        write(tmp_path / "LJSpeech-1.1" / "wavs" / f"{name}.wav", tone(0.1, 22050), 22050)
        lines.append(f"{name}|Text {number // 2}|text number {number // 2}\n")
    (tmp_path / "LJSpeech-1.1" / "metadata.csv").write_text("".join(lines))
    data = LJSpeechData(root=str(tmp_path), **(REST | {"sample_rate": 22050}))
    found = {split: {int(key[-8:-4]) // 2 for key in data.source.keys(split)} for split in ("train", "val", "test")}
    assert sum(map(len, found.values())) == 20, "both of a pair are on one side"


@pytest.mark.parametrize("build", [SpeechCommandsData, LJSpeechData])
def test_what_is_not_there_says_where_it_belongs(tmp_path, build):
    with pytest.raises(ValueError, match=f"no usable .* in {tmp_path}.* Nothing is downloaded here"):
        build(root=str(tmp_path), **REST)
