"""datatrove's tokenized file, which nanotron reads: SPLIT.ds, .ds.index, .ds.metadata, and .ds.loss where asked for.

Little-endian ids of 2 or 4 bytes; the index holds the end of each document in ids, u64; the metadata are lines: name
and bytes an id, number of ids, the same in words; the loss is one byte an id, 1 where a model is trained on it.
"""

from array import array
from pathlib import Path

import numpy as np

from signaltok.store.datasets.writer import DatasetWriter, Rendered, narrowest
from signaltok.streams.vocabulary import Vocabulary


class Datatrove(DatasetWriter):
    """--format datatrove."""

    says_loss = True

    def __init__(self, folder: Path, split: str, vocabulary: Vocabulary, loss: str) -> None:
        super().__init__(folder, split, vocabulary, loss)
        self.type = np.dtype("<u2") if narrowest(vocabulary).itemsize == 2 else np.dtype("<u4")
        self.path = folder / f"{split}.ds"
        self.file = self.opened.enter_context(self.path.open("wb"))
        losses = Path(f"{self.path}.loss")
        self.losses = None if loss == "all" else self.opened.enter_context(losses.open("wb"))
        self.ends = array("Q")
        self.count = 0

    def add(self, document: Rendered) -> None:
        """Its ids, and where its loss is."""
        ids = document.ids
        self.file.write(ids.astype(self.type).tobytes())
        self.count += len(ids)
        self.ends.append(self.count)
        if self.losses is not None:
            kinds = self.vocabulary.kinds(ids)
            self.losses.write((kinds == 1 if self.loss == "text" else kinds > 1).tobytes())

    def close(self) -> None:
        """Index and metadata."""
        Path(f"{self.path}.index").write_bytes(np.array(self.ends, "<u8").tobytes())
        name = f"signaltok:{self.vocabulary.identity}|{self.type.itemsize}"
        Path(f"{self.path}.metadata").write_text(f"{name}\n{self.count}\n{self.count / 1e6:.3g} MT")
