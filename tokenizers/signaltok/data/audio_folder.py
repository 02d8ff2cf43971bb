"""A folder of audio files, nested as it may be; the split is by file name, or by what is said."""

import re
from collections.abc import Iterable
from pathlib import Path

from signaltok.data.audio_file import SUFFIXES
from signaltok.data.audio_source import AudioFiles
from signaltok.data.found_files import find_files
from signaltok.data.split import SPLITS, Split, split_of

RULES = {
    "hash": "MD5 of the key modulo 10: 0 test, 1 val, the rest train",
    "text": "MD5 of the normalised text modulo 10, so that equal words are on one side: 0 test, 1 val, the rest train",
    "all": "all: EVERY FILE IS IN EVERY SPLIT, so val and test figures are figures on training files",
}
TRANSCRIPTS = "transcripts.tsv"


class AudioFolder(AudioFiles):
    """Files under root, found by their suffix; a key is the path relative to root, with forward slashes.

    split: "hash" by the key; "text" by the words that transcripts.tsv in root gives each key (files that it does not
    name are left out); "all" for folders too small to split. A split is by whole files, never by stretches of them.
    The rest as in AudioFiles. Names that begin with a dot are passed over.
    """

    def __init__(self, *, root: str, split: str, sample_rate: int, channels: int, resample: bool) -> None:
        if split not in RULES:
            raise ValueError(f"data.split is {split!r}; it is one of {', '.join(RULES)}")
        folder = Path(root)
        keys = sorted(find_files(folder, SUFFIXES))
        if not keys:
            raise ValueError(
                f"the folder {root} holds no audio; expected files ending in {', '.join(sorted(SUFFIXES))}"
            )
        self.found = tuple(keys)
        names = {key: key for key in keys}
        if split == "text":
            texts = read_transcripts(folder / TRANSCRIPTS)
            names = {key: normalised(texts[key]) for key in keys if key in texts}
        super().__init__(
            root=folder,
            files=dict.fromkeys(SPLITS, keys) if split == "all" else split_by(names),
            split_rule=RULES[split],
            sample_rate=sample_rate,
            channels=channels,
            resample=resample,
        )


def split_by(names: dict[str, str]) -> dict[Split, list[str]]:
    """The keys of every split, by the hash of what each key is given."""
    return {split: [key for key, name in names.items() if split_of(name) == split] for split in SPLITS}


def normalised(text: str) -> str:
    """Words of letters and digits, without case, one space between them; the text itself where it has none."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold())) or text


def read_transcripts(path: Path) -> dict[str, str]:
    """Key -> text, of lines "key TAB text". ValueError where there is no such file, or a line has no tab."""
    if not path.is_file():
        raise ValueError(f"there is no {path}, by whose texts data.split=text splits; give it, or data.split=hash")
    return dict(_pairs(path, path.read_text(encoding="utf-8").splitlines()))


def _pairs(path: Path, lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        key, tab, text = line.partition("\t")
        if not tab:
            raise ValueError(f"line {number} of {path} has no tab between file and text: {line[:60]!r}")
        yield key, text
