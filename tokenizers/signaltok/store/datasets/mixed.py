"""Documents of several stores at once: what one file has in each of them, a film and its sound say, by time."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import groupby

from signaltok.store.datasets.joined import TextOf, texts_of
from signaltok.store.index import Store
from signaltok.store.plan import Item
from signaltok.streams.documents import Document, Mix, Signal
from signaltok.streams.vocabulary import Vocabulary


def mixes_of(
    stores: Sequence[tuple[str, Store]], vocabulary: Vocabulary, *, text_of: TextOf | None
) -> Iterator[tuple[str, Document]]:
    """(key, document) of every key of any store: its codes in all stores that have it, interleaved by time.

    stores: in the vocabulary's order, each with its items in the order of their keys. TokenDataError where a store
    holds another tokenizer's codes than its stream's.
    """
    for name, store in stores:
        vocabulary.check_fingerprint(name, store.header.fingerprint, str(store.folder))
    items = heapq.merge(*(_numbered(n, store) for n, (_, store) in enumerate(stores)), key=lambda found: found[:2])
    for key, group in groupby(items, key=lambda found: found[0]):
        signals = tuple(Signal(stores[n][0], item.levels, item.signal_size) for _, n, item in group)
        yield key, [*texts_of(key, text_of), Mix(signals, ())]


def _numbered(number: int, store: Store) -> Iterator[tuple[str, int, Item]]:
    for item in store:
        yield item.key, number, item
