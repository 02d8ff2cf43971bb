"""What every layout is written by, and what they share."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from signaltok.streams.vocabulary import Vocabulary

LOSSES = ("all", "text", "codes")


@dataclass(frozen=True)
class Rendered:
    """One document: its segments' (kind, ids), begin and end of the document included in the first and the last."""

    key: str
    segments: tuple[tuple[int, np.ndarray], ...]

    @property
    def ids(self) -> np.ndarray:
        """int64 [n]: all of them."""
        return np.concatenate([ids for _, ids in self.segments])


class DatasetWriter(ABC):
    """Writes one split of a data set, document by document, and holds no more than a piece of it in memory."""

    note = ""  # what a reader has to know beyond the layout

    def __init__(self, folder: Path, split: str, vocabulary: Vocabulary, loss: str) -> None:
        """loss: on which ids a model is trained, where the layout can say it. ValueError where it cannot hold them."""
        if loss not in LOSSES:
            raise ValueError(f"a loss is over {', '.join(LOSSES)}, not {loss!r}")
        if loss != "all" and not self.says_loss:
            raise ValueError(f"{type(self).__name__} has no place for a loss over {loss} alone; datatrove has")
        self.folder, self.split, self.vocabulary, self.loss = folder, split, vocabulary, loss
        self.opened = ExitStack()  # the files that are written to; whoever made the writer closes it

    says_loss = False

    @abstractmethod
    def add(self, document: Rendered) -> None:
        """Write a document."""

    @abstractmethod
    def close(self) -> None:
        """Write what comes last; the files in `opened` are closed afterwards."""


def narrowest(vocabulary: Vocabulary, *, below: int = 65_536) -> np.dtype:
    """uint16 where every id of the padded vocabulary is smaller than `below`, else int32: little-endian."""
    if vocabulary.padded_size > 2**31:
        raise ValueError(f"a vocabulary of {vocabulary.padded_size} ids is more than four bytes with a sign hold")
    return np.dtype("<u2") if vocabulary.padded_size <= below else np.dtype("<i4")
