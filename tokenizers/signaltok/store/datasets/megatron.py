"""Megatron's indexed data set: SPLIT.bin with the ids, SPLIT.idx with where everything lies.

Little-endian. The index: 9 bytes MMIDIDX and two zeros, u64 version 1, u8 type of the ids (8: uint16, 4: int32), u64
sequences, u64 documents + 1; then int32 length of each sequence, int64 its first byte, int64 first sequence of each
document and the end, int8 mode of each sequence. A sequence is a segment, its mode the segment's kind.
"""

import struct
from array import array
from pathlib import Path

import numpy as np

from signaltok.store.datasets.writer import DatasetWriter, Rendered, narrowest
from signaltok.streams.vocabulary import Vocabulary

BELOW = 65_500  # what its readers take as the most that uint16 is used for


class Megatron(DatasetWriter):
    """--format megatron."""

    note = "modes: 0 mixed, 1 text, 2 + i the stream number i of vocab.json; read it as multimodal"

    def __init__(self, folder: Path, split: str, vocabulary: Vocabulary, loss: str) -> None:
        super().__init__(folder, split, vocabulary, loss)
        self.type = narrowest(vocabulary, below=BELOW)
        self.file = self.opened.enter_context((folder / f"{split}.bin").open("wb"))
        self.lengths, self.modes, self.documents = array("i"), array("b"), array("q", [0])

    def add(self, document: Rendered) -> None:
        """One sequence a segment."""
        for kind, ids in document.segments:
            self.file.write(ids.astype(self.type).tobytes())
            self.lengths.append(len(ids))
            self.modes.append(kind)
        self.documents.append(len(self.lengths))

    def close(self) -> None:
        """The index."""
        lengths = np.array(self.lengths, "<i4")
        pointers = (np.cumsum(lengths, dtype=np.int64) - lengths) * self.type.itemsize
        code = 8 if self.type.itemsize == 2 else 4
        head = b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, code, len(lengths), len(self.documents))
        parts = (lengths, pointers.astype("<i8"), np.array(self.documents, "<i8"), np.array(self.modes, "<i1"))
        (self.folder / f"{self.split}.idx").write_bytes(head + b"".join(part.tobytes() for part in parts))
