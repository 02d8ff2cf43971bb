"""Time-stamped phones: from festvox's labels to the phone of a moment."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from signaltok.data.phones import Phone, phones_at, read_phones

ROOT = Path(__file__).parents[2]
LABELS = "#\n0.51200 125 pau \n0.60200 125 e\n0.60200 125 gg\n0.82200 125 ii\n"


def unpacked(folder: Path) -> Path:
    voice = folder / "usr/share/festival/voices/russian/someone"
    for name in ("wav", "lab", "etc"):
        (voice / name).mkdir(parents=True)
    for name in ("ru_1", "ru_2"):
        soundfile.write(voice / "wav" / f"{name}.wav", torch.zeros(16000).numpy(), 16000)
    (voice / "lab" / "ru_1.lab").write_text("signal ru_1\nnfields 1\n" + LABELS)
    (voice / "etc" / "txt.done.data").write_text('( ru_1 "д+а, да" )\n')
    (folder / "usr/share/doc/festvox-xx").mkdir(parents=True)
    (folder / "usr/share/doc/festvox-xx/copyright").write_text("free")
    return folder


def fetch(source: Path, out: Path) -> subprocess.CompletedProcess:
    script = ROOT / "data" / "fetch" / "sounds.py"
    return subprocess.run(
        [sys.executable, str(script), str(source), str(out)], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT / "tokenizers"), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_the_labels_of_a_package_become_phones_beside_its_texts(tmp_path):
    done = fetch(unpacked(tmp_path / "package"), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "2 files" in done.stdout and "1 with their text, 3 phones" in done.stdout
    phones = read_phones(tmp_path / "out" / "phones.tsv")
    assert phones == {
        "ru_1.wav": [Phone(0.0, 0.512, "pau"), Phone(0.512, 0.602, "e"), Phone(0.602, 0.822, "ii")]
    }  # the one of no duration is left out
    assert (tmp_path / "out" / "transcripts.tsv").read_text() == "ru_1.wav\tда, да\n"


def test_labels_without_a_head_are_named(tmp_path):
    source = unpacked(tmp_path / "package")
    (next(source.rglob("lab")) / "ru_2.lab").write_text("0.5 125 pau\n")
    done = fetch(source, tmp_path / "out")
    assert done.returncode != 0 and "ru_2.lab has no line '#', after which labels begin" in done.stderr


def test_the_phone_of_a_moment_is_the_one_that_begins_before_it_and_has_not_ended():
    phones = [Phone(0.0, 0.5, "a"), Phone(0.5, 0.6, "b"), Phone(0.8, 1.0, "c")]
    assert phones_at(phones, [0.0, 0.49, 0.5, 0.6, 0.79, 0.8, 0.99, 1.0, 7.0]) == [
        "a", "a", "b", None, None, "c", "c", None, None,
    ]  # fmt: skip
    assert phones_at([], [0.1]) == [None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.wav\t0\t0.5\tx\nb.wav\t0.1\n", r"line 2: 'b\.wav\\t0\.1' is not: file TAB start TAB end TAB phone"),
        ("a.wav\t0\tlate\tx\n", "line 1: .*is not: file TAB start"),
        ("a.wav\t0\t0.5\tx\na.wav\t0.4\t0.6\ty\n", r"line 2: 'y' from 0\.4 to 0\.6 s after 0\.5 s"),
        ("a.wav\t0.5\t0.5\tx\n", "each longer than nothing"),
        ("a.wav\tnan\t0.5\tx\n", "line 1"),
        ("a.wav\t0\tinf\tx\n", "line 1"),
        ("a.wav\t0\t1\t\n", "line 1: ''"),
        ("a.wav\t0\t1\tx\ty\n", "line 1"),
        ("", "has no phone"),
    ],
)
def test_what_cannot_be_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "phones.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_phones(path)


def test_a_missing_file_says_what_makes_it(tmp_path):
    with pytest.raises(ValueError, match=r"there is no .*phones\.tsv; data/fetch/sounds\.py writes one"):
        read_phones(tmp_path / "phones.tsv")
