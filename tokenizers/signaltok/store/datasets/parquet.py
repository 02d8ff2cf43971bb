"""Parquet: SPLIT.parquet with a row a document: key (string) and ids (list of uint16, or of uint32)."""

from pathlib import Path

import numpy as np

from signaltok.store.datasets.writer import DatasetWriter, Rendered, narrowest
from signaltok.streams.vocabulary import Vocabulary

ROW_GROUP = 2**22  # ids


class Parquet(DatasetWriter):
    """--format parquet. Needs pyarrow, of the extra `data`."""

    def __init__(self, folder: Path, split: str, vocabulary: Vocabulary, loss: str) -> None:
        super().__init__(folder, split, vocabulary, loss)
        try:
            import pyarrow
            from pyarrow.parquet import ParquetWriter
        except ImportError:
            raise ValueError("writing parquet needs pyarrow: python -m pip install 'signaltok[data]'") from None
        self.arrow = pyarrow
        narrow = narrowest(vocabulary).itemsize == 2
        self.type = np.dtype("<u2" if narrow else "<u4")
        ids = pyarrow.list_(pyarrow.uint16() if narrow else pyarrow.uint32())
        self.schema = pyarrow.schema(
            [("key", pyarrow.string()), ("ids", ids)], metadata={"signaltok_vocabulary": vocabulary.identity}
        )
        self.file = self.opened.enter_context(ParquetWriter(folder / f"{split}.parquet", self.schema))
        self.keys: list[str] = []
        self.rows: list[np.ndarray] = []
        self.held = 0

    def add(self, document: Rendered) -> None:
        """One row."""
        self.keys.append(document.key)
        self.rows.append(document.ids.astype(self.type))
        self.held += len(self.rows[-1])
        if self.held >= ROW_GROUP:
            self._write_rows()

    def _write_rows(self) -> None:
        ends = np.cumsum([0, *map(len, self.rows)]).astype(np.int32)
        values = self.arrow.array(np.concatenate([np.zeros(0, self.type), *self.rows]))
        columns = [self.arrow.array(self.keys, self.arrow.string()), self.arrow.ListArray.from_arrays(ends, values)]
        self.file.write_table(self.arrow.table(columns, schema=self.schema))
        self.keys, self.rows, self.held = [], [], 0

    def close(self) -> None:
        """The last rows."""
        self._write_rows()
