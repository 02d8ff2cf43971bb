"""WebDataset: SPLIT-000000.tar, ...; a document is NUMBER.ids.npy and NUMBER.json with its key."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np

from signaltok.store.datasets.writer import DatasetWriter, Rendered, narrowest
from signaltok.streams.vocabulary import Vocabulary

SHARD_BYTES = 2**28


class WebDataset(DatasetWriter):
    """--format webdataset. Keys are numbers, since a dot in a key would end it."""

    def __init__(self, folder: Path, split: str, vocabulary: Vocabulary, loss: str) -> None:
        super().__init__(folder, split, vocabulary, loss)
        self.type = narrowest(vocabulary)
        self.shards = self.documents = 0
        self._open()

    def _open(self) -> None:
        path = self.folder / f"{self.split}-{self.shards:06d}.tar"
        self.file = self.opened.enter_context(tarfile.TarFile(path, "w", format=tarfile.USTAR_FORMAT))
        self.shards += 1

    def add(self, document: Rendered) -> None:
        """Two files of one key."""
        if self.file.offset >= SHARD_BYTES:
            self.opened.close()
            self._open()
        stream = io.BytesIO()
        np.save(stream, document.ids.astype(self.type), allow_pickle=False)
        told = json.dumps({"key": document.key, "vocabulary": self.vocabulary.identity})
        for ending, content in (("ids.npy", stream.getvalue()), ("json", told.encode())):
            member = tarfile.TarInfo(f"{self.documents:09d}.{ending}")
            member.size = len(content)
            self.file.addfile(member, io.BytesIO(content))
        self.documents += 1

    def close(self) -> None:
        """Nothing comes last."""
