"""Documents to ids and back, exactly.

    document := bos segment* eos
    segment  := begin_text ids end_text | begin_k sizes codes end_k | mix
    (k: a stream; its codes with their markers; mix: interleave.py)
    size     := digits to the base 256, as many as the stream's greatest size needs

A reader needs the vocabulary and the ids alone. Ids that are no document are a TokenDataError with the position.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from signaltok.streams.documents import Document, Signal, Text
from signaltok.streams.errors import TokenDataError
from signaltok.streams.forms import Forms
from signaltok.streams.parse import Parser
from signaltok.streams.render import mix_ids, signal_ids, text_ids
from signaltok.streams.sampling import Cursor
from signaltok.streams.stream import Numbers
from signaltok.streams.vocabulary import Vocabulary
from signaltok.streams.walk import Ranges


class Grammar:
    """The documents of one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.forms = Forms(vocabulary)

    def render(self, document: Document) -> np.ndarray:
        """int64 [n]. ValueError for codes, sizes or times that the vocabulary has no ids for."""
        control = self.vocabulary.control
        parts = [ids for _, ids in self.segments(document)]
        return np.concatenate([[control["bos"]], *parts, [control["eos"]]])

    def segments(self, document: Document) -> list[tuple[int, np.ndarray]]:
        """(kind, ids) of each segment; kind as in Vocabulary.kinds, and 0 for a mix."""
        kinds = {stream.name: 2 + number for number, stream in enumerate(self.vocabulary.streams)}
        found = []
        for segment in document:
            if isinstance(segment, Text):
                found.append((1, text_ids(self.vocabulary, segment)))
            elif isinstance(segment, Signal):
                found.append((kinds.get(segment.stream, 0), signal_ids(self.forms, segment)))
            else:
                found.append((0, mix_ids(self.forms, segment)))
        return found

    def render_all(self, documents: Iterable[Document]) -> np.ndarray:
        """The ids of several documents, one after the other."""
        return np.concatenate([np.zeros(0, np.int64), *map(self.render, documents)])

    def parse(self, ids: np.ndarray) -> list[Document]:
        """The documents, one after the other. TokenDataError with the position, and how many were whole before it."""
        return list(self.documents(ids))

    def documents(self, ids: np.ndarray) -> Iterator[Document]:
        """parse, one at a time: what was whole before an error has been given by then."""
        parser, position, complete = Parser(self.forms, ids), 0, 0
        while position < len(ids):
            try:
                document, position = parser.document(position)
            except TokenDataError as error:
                raise TokenDataError(error.place, error.problem, complete=complete) from None
            complete += 1
            yield document

    def cursor(self, sizes: Mapping[str, Numbers] | None = None) -> Cursor:
        """At the beginning of a document, to sample one id after the other; sizes: of streams, where they are given."""
        return Cursor(self.forms, sizes)

    def allowed(self, prefix: np.ndarray) -> Ranges:
        """The ids that may follow, as (first, last + 1). TokenDataError where the prefix is none of any document."""
        cursor = self.cursor()
        for number in prefix.tolist():
            cursor.advance(number)
        return cursor.allowed
