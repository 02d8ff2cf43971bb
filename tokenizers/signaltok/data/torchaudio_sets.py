"""LibriSpeech and Speech Commands, indexed by torchaudio, and LJ Speech; read by libsndfile.

LibriSpeech (Panayotov et al. 2015) and Speech Commands (Warden 2018) come with their splits, by speaker. LJ Speech
(Ito and Johnson 2017) has one speaker and no split: it is by the hash of the normalised text.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from signaltok.data.audio_folder import RULES, normalised, split_by
from signaltok.data.split import Split


def librispeech(root: str, subsets: dict[Split, list[str]]) -> tuple[Path, dict[Split, list[str]], str]:
    """Folder, keys of each split and the rule; subsets: such as {"train": ["train-clean-100"], ...}."""
    from torchaudio.datasets import LIBRISPEECH

    files: dict[Split, list[str]] = {}
    for split, names in subsets.items():
        sets = [_found(lambda name=name: LIBRISPEECH(root, url=name), "librispeech", root) for name in names]
        files[split] = [str(part.get_metadata(n)[0]) for part in sets for n in range(len(part))]
    words = "; ".join(f"{split} {' and '.join(names)}" for split, names in subsets.items())
    return Path(root) / "LibriSpeech", files, f"the data set's own, by speaker: {words}"


def speech_commands(root: str) -> tuple[Path, dict[Split, list[str]], str]:
    """As librispeech, version 0.02."""
    from torchaudio.datasets import SPEECHCOMMANDS

    files: dict[Split, list[str]] = {}
    subsets: dict[Split, str] = {"train": "training", "val": "validation", "test": "testing"}
    for split, subset in subsets.items():
        part = _found(lambda subset=subset: SPEECHCOMMANDS(root, subset=subset), "speechcommands", root)
        files[split] = [str(part.get_metadata(n)[0]) for n in range(len(part))]
    return Path(root) / "SpeechCommands", files, "the data set's own, by speaker: validation_list.txt, testing_list.txt"


def lj_speech(root: str) -> tuple[Path, dict[Split, list[str]], str]:
    """As librispeech; version 1.1."""
    folder = Path(root) / "LJSpeech-1.1"
    lines = _found(lambda: (folder / "metadata.csv").read_text(encoding="utf-8").splitlines(), "ljspeech", root)
    # name | text | text with numbers in words
    texts = {f"wavs/{line.split('|')[0]}.wav": line.split("|")[-1] for line in lines if line}
    return folder, split_by({key: normalised(text) for key, text in texts.items()}), RULES["text"]


def _found(read: Callable[[], Any], name: str, root: str) -> Any:
    try:
        return read()
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"no usable {name} in {root}: {error}. Nothing is downloaded here; unpack it there, or point data.root at "
            "a copy"
        ) from error
