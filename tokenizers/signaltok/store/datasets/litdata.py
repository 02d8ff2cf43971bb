"""litdata's optimized data set for its TokensLoader: SPLIT/chunk-0-N.bin and SPLIT/index.json.

A chunk: u32 number of items, u32 first byte of each item and the end, then the ids of the items. Ids are int32, which
litdata calls no_header_tensor:16; `dim` is the number of ids of a chunk.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from signaltok.store.datasets.writer import DatasetWriter, Rendered, narrowest
from signaltok.streams.vocabulary import Vocabulary

CHUNK_BYTES = 2**26


class LitData(DatasetWriter):
    """--format litdata."""

    def __init__(self, folder: Path, split: str, vocabulary: Vocabulary, loss: str) -> None:
        super().__init__(folder / split, split, vocabulary, loss)
        narrowest(vocabulary)
        self.folder.mkdir()
        self.items: list[bytes] = []
        self.held = 0
        self.chunks: list[dict[str, Any]] = []

    def add(self, document: Rendered) -> None:
        """One item."""
        self.items.append(document.ids.astype("<i4").tobytes())
        self.held += len(self.items[-1])
        if self.held >= CHUNK_BYTES:
            self._write_chunk()

    def _write_chunk(self) -> None:
        sizes = np.array([0, *map(len, self.items)])
        offsets = (np.cumsum(sizes) + 4 * (1 + len(sizes))).astype("<u4")
        name = f"chunk-0-{len(self.chunks)}.bin"
        head = np.array([len(self.items)], "<u4").tobytes() + offsets.tobytes()
        (self.folder / name).write_bytes(head + b"".join(self.items))
        told = {"chunk_bytes": self.held, "chunk_size": len(self.items), "dim": self.held // 4, "filename": name}
        self.chunks.append(told)
        self.items, self.held = [], 0

    def close(self) -> None:
        """The last chunk and the index."""
        if self.items:
            self._write_chunk()
        config = {
            "chunk_bytes": CHUNK_BYTES,
            "chunk_size": None,
            "compression": None,
            "data_format": ["no_header_tensor:16"],
            "data_spec": json.dumps([1, {"type": None, "context": None, "children_spec": []}]),
            "encryption": None,
            "item_loader": "TokensLoader",
        }
        index = {"chunks": self.chunks, "config": config, "updated_at": "0"}
        (self.folder / "index.json").write_text(json.dumps(index, sort_keys=True))
