"""nanoGPT's data: SPLIT.bin (train.bin, val.bin), the ids of all documents as uint16, one after the other."""

from pathlib import Path

from signaltok.store.datasets.writer import DatasetWriter, Rendered
from signaltok.streams.vocabulary import Vocabulary


class NanoGPT(DatasetWriter):
    """--format nanogpt."""

    note = "set vocab_size to the padded_size of vocab.json: no meta.pkl is written, as it is a pickle"

    def __init__(self, folder: Path, split: str, vocabulary: Vocabulary, loss: str) -> None:
        super().__init__(folder, split, vocabulary, loss)
        if vocabulary.padded_size > 65_536:
            raise ValueError(f"nanogpt holds ids of two bytes, but the vocabulary has {vocabulary.padded_size}; the "
                             "other layouts hold more")  # fmt: skip
        self.file = self.opened.enter_context((folder / f"{split}.bin").open("wb"))

    def add(self, document: Rendered) -> None:
        """Its ids."""
        self.file.write(document.ids.astype("<u2").tobytes())

    def close(self) -> None:
        """Nothing comes last."""
