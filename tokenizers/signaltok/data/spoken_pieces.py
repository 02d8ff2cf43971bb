"""Sub-words of what is said in train alone: pieces of the other splits' texts would be known beforehand."""

from pathlib import Path

from signaltok.data.audio_folder import RULES, TRANSCRIPTS, normalised, read_transcripts
from signaltok.data.split import split_of
from signaltok.text import normalise
from signaltok.text.subwords import SubwordSpelling, trained


def subwords_of_train(*, size: int, root: str, split: str, normaliser: str) -> SubwordSpelling:
    """A vocabulary of `size` pieces, of the texts of train of a folder with transcripts.tsv.

    split: the rule, as of data.audio_folder.AudioFolder. Raises ValueError where there are no transcripts, or they do
    not give so many pieces.
    """
    if split not in RULES:
        raise ValueError(f"split is {split!r}; it is one of {', '.join(RULES)}")
    texts = read_transcripts(Path(root) / TRANSCRIPTS)
    names = {key: normalised(text) if split == "text" else key for key, text in texts.items()}
    chosen = [text for key, text in texts.items() if split == "all" or split_of(names[key]) == "train"]
    return trained(size=size, texts=map(normalise.normaliser(normaliser), chosen))
