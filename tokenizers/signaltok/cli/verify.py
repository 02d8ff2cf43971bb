"""`signaltok inspect STORE --verify`: beyond holding the store to itself, some of its files are encoded again."""

import argparse
from pathlib import Path

from signaltok.artifact.read import read_config
from signaltok.cli.locate import open_tokenizer, tokenizer_folder
from signaltok.cli.probe import probe_hash
from signaltok.cli.signal_files import signal_files
from signaltok.cli.tokenize import encode_item, one_thread, read_header
from signaltok.files import read_json
from signaltok.language.decoding import ORIGIN
from signaltok.store.index import Store
from signaltok.store.plan import Item
from signaltok.store.verify import compare_codes, sample_of
from signaltok.streams.errors import TokenDataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What verifying takes."""
    parser.add_argument("--verify", action="store_true", help="of a token store: hold it to all that it says of "
                        "itself, and encode a sample of its files again")  # fmt: skip
    parser.add_argument("--sample", type=int, default=8, metavar="N", help="so many files (default 8; 0 for none)")
    parser.add_argument("--tokenizer", type=Path, metavar="TOKENIZER", help="where it is now, if it was moved")
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="where the files are now, if they were moved")
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu (default), cuda, cuda:1, mps")


class Sample:
    """The items of a store that are encoded again; see is told all of them, one after the other."""

    def __init__(self, count: int, most: int) -> None:
        self.wanted = sample_of(count, most)
        self.items: list[Item] = []
        self.seen = 0

    def see(self, item: Item) -> None:
        """Keep an item of the sample."""
        if self.seen in self.wanted:
            self.items.append(item)
        self.seen += 1


def encode_again(store: Store, sample: Sample, options: argparse.Namespace) -> str:
    """How the codes compare, in words. TokenDataError where they differ, ValueError where something is not there."""
    if not sample.items:
        return "none encoded again"
    tokenizer_path, folder = _places(store.folder, options)
    exported = tokenizer_folder(tokenizer_path)
    store.check_fingerprint(read_header(exported).fingerprint)
    files = signal_files(exported)
    with one_thread():
        tokenizer = open_tokenizer(exported, options.device)
        if store.header.probe is not None and probe_hash(tokenizer, files, read_config(exported)) != store.header.probe:
            raise TokenDataError(
                str(store.folder), "the built-in signals have other codes here: another machine, device, or version of "
                "what reads the files; nothing can be said of the store"
            )  # fmt: skip
        for item in sample.items:
            compare_codes(item, encode_item(tokenizer, item.key, files.read(folder / item.key)), str(store.folder))
    return f"{len(sample.items)} files encoded again, all codes equal"


def _places(store: Path, options: argparse.Namespace) -> tuple[Path, Path]:
    origin = read_json(store / ORIGIN) or {}
    found = []
    for name in ("tokenizer", "folder"):
        given = getattr(options, name) or (Path(origin[name]) if name in origin else None)
        if given is None or not given.exists():
            where = "nobody knows where it is" if given is None else f"it is no longer at {given}"
            raise ValueError(f"the {name} of {store} is needed to encode files again, but {where}; give --{name}, or "
                             "--sample 0")  # fmt: skip
        found.append(given)
    return found[0], found[1]
