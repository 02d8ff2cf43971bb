"""Documents out of stores: one an item, or one of all items that have one name, such as a/b.png and a/b.wav."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from signaltok.store.index import Store
from signaltok.store.plan import Item
from signaltok.streams.documents import Document, Signal, Text
from signaltok.streams.vocabulary import Vocabulary

KEPT_SHARDS = 2  # of each store: names lie in nearly the order of the keys
TextOf = Callable[[str], str | Text]


def documents_of(
    store: Store, vocabulary: Vocabulary, name: str, *, text_of: TextOf | None
) -> Iterator[tuple[str, Document]]:
    """(key, document) of every item: its codes in the stream called name, before them its text where there is one.

    TokenDataError where the store holds another tokenizer's codes than the stream's.
    """
    vocabulary.check_fingerprint(name, store.header.fingerprint, str(store.folder))
    for item in store:
        yield item.key, [*texts_of(item.key, text_of), Signal(name, item.levels, item.signal_size)]


def joined_documents(
    stores: Sequence[tuple[str, Store]], vocabulary: Vocabulary, *, text_of: TextOf | None
) -> Iterator[tuple[str, Document]]:
    """(name, document) of every name: its text, then the signal of each store that has one, in the stores' order.

    A name is a key without its ending. Keys are in memory, and some shards; every shard is read twice. ValueError where
    a store has one name twice; TokenDataError as of documents_of.
    """
    for name, store in stores:
        vocabulary.check_fingerprint(name, store.header.fingerprint, str(store.folder))
    found = [(name, _Named(store)) for name, store in stores]
    for stem in sorted({stem for _, named in found for stem in named.places}):
        items = [(name, named.item(stem)) for name, named in found if stem in named.places]
        signals = [Signal(name, item.levels, item.signal_size) for name, item in items]
        yield stem, [*texts_of(stem, text_of), *signals]


class _Named:
    """The items of a store by name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.places: dict[str, tuple[int, int]] = {}
        keys: dict[str, str] = {}
        for number in range(len(store.shards)):
            for place, item in enumerate(store.shard(number)):
                stem = name_of(item.key)
                if stem in keys:
                    raise ValueError(
                        f"{store.folder} has {keys[stem]} and {item.key}, which are one name; documents of several "
                        "stores need a name for each item"
                    )
                keys[stem] = item.key
                self.places[stem] = (number, place)
        self.kept: OrderedDict[int, list[Item]] = OrderedDict()

    def item(self, stem: str) -> Item:
        number, place = self.places[stem]
        if number not in self.kept:
            self.kept[number] = self.store.shard(number)
            if len(self.kept) > KEPT_SHARDS:
                self.kept.popitem(last=False)
        self.kept.move_to_end(number)
        return self.kept[number][place]


def name_of(key: str) -> str:
    """A key without its ending."""
    return PurePosixPath(key).with_suffix("").as_posix()


def texts_of(key: str, text_of: TextOf | None) -> list[Text]:
    """The text of a key as the beginning of its document; none where nobody gives texts."""
    if text_of is None:
        return []
    text = text_of(key)
    return [Text.of(text) if isinstance(text, str) else text]
