"""A store as a whole: filling it shard by shard, the index derived from the side files, and reading it."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from signaltok.files import remove_partial, write_text
from signaltok.store.lock import only_writer
from signaltok.store.plan import FORMAT_VERSION, Failure, Header, Item, Planned, plan_shards
from signaltok.store.shard import holds, read_shard, read_side, write_shard
from signaltok.streams.errors import TokenDataError

INDEX = "index.json"
SHARD_FIELDS = ("file", "sha256", "bytes", "items")


def fill_store(
    folder: Path,
    header: Header,
    keys: Iterable[str],
    *,
    shard_items: int,
    device: str,
    compute: Callable[[str], Item | Failure],
    advance: Callable[[int], None],
) -> dict[str, Any]:
    """Write every shard that is not there yet, then the index; the index.

    compute gives the codes of a key or the reason why there are none; advance is told how many keys are done. device
    goes on record: another one may give another code for a value that lies between two.
    A shard whose side file is there and whose hash holds is skipped, so a run that was stopped goes on where it
    stopped, and the store is that of an unbroken run to the bit. Raises ValueError where the folder holds other items
    or other files; TokenDataError, one too, where it holds another tokenizer's codes or another process writes to it.
    """
    return fill_store_by(
        folder, header, keys, shard_items=shard_items, device=device,
        results=lambda wanted: map(compute, wanted), advance=advance,
    )  # fmt: skip


def fill_store_by(
    folder: Path,
    header: Header,
    keys: Iterable[str],
    *,
    shard_items: int,
    device: str,
    results: Callable[[Iterable[str]], Iterator[Item | Failure]],
    advance: Callable[[int], None],
) -> dict[str, Any]:
    """fill_store by an engine (engines.py): results gives what is computed of keys, in their order."""
    plan = plan_shards(keys, shard_items)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder for the tokens")
    with only_writer(folder):
        return _fill(folder, header, plan, device, results, advance)


def _fill(
    folder: Path,
    header: Header,
    plan: list[Planned],
    device: str,
    results: Callable[[Iterable[str]], Iterator[Item | Failure]],
    advance: Callable[[int], None],
) -> dict[str, Any]:
    finished = _finished(folder, header, plan)
    advance(sum(len(planned.keys) for planned in plan if planned.number in finished))
    missing = [planned for planned in plan if planned.number not in finished]
    coming = results(key for planned in missing for key in planned.keys)
    for planned in missing:
        items: list[Item] = []
        failures: list[Failure] = []
        for result in itertools.islice(coming, len(planned.keys)):
            if isinstance(result, Item):
                items.append(result)
            else:
                failures.append(result)
            advance(1)
        write_shard(folder, planned, header, items, failures, device)
    index = derive_index(folder)
    write_text(folder / INDEX, json.dumps(index, indent=2) + "\n")
    return index


def derive_index(folder: Path) -> dict[str, Any]:
    """What index.json holds, from the side files."""
    sides = [read_side(path) for path in _side_files(folder)]
    if not sides:
        raise ValueError(f"{folder} holds no shards to index")
    headers = [Header.from_json(side) for side in sides]
    if any(header != headers[0] for header in headers):
        prints = sorted({header.fingerprint[:12] for header in headers})
        raise TokenDataError(
            str(folder), f"it mixes shards of several tokenizers ({', '.join(prints)}); tokenize to a new folder"
        )
    return {
        "format_version": FORMAT_VERSION,
        **headers[0].to_json(),
        "items": sum(side["items"] for side in sides),
        "tokens": [sum(level) for level in zip(*(side["tokens"] for side in sides), strict=True)],
        "failures": [failure for side in sides for failure in side["failures"]],
        "shards": [{name: side[name] for name in SHARD_FIELDS} for side in sides],
    }


@dataclass(frozen=True)
class Store:
    """A token store: iterate over its items in the order of their keys, one shard in memory at a time."""

    folder: Path
    header: Header
    shards: tuple[dict[str, Any], ...]
    tokens: tuple[int, ...]
    failures: tuple[Failure, ...]

    def __len__(self) -> int:
        return sum(shard["items"] for shard in self.shards)

    def __iter__(self) -> Iterator[Item]:
        for number in range(len(self.shards)):
            yield from self.shard(number)

    def shard(self, number: int) -> list[Item]:
        """The items of one shard, in the order of their keys."""
        return read_shard(self.folder, {**self.header.to_json(), **self.shards[number]})

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raise TokenDataError where the codes are another tokenizer's."""
        if fingerprint != self.header.fingerprint:
            raise TokenDataError(
                str(self.folder),
                f"it holds the codes of tokenizer {self.header.fingerprint[:12]}…, not of "
                f"{fingerprint[:12]}…; give the tokenizer that made them",
            )


def read_store(folder: str | Path) -> Store:
    """Open a store. ValueError where there is none, TokenDataError where it is unfinished or damaged, with the place.

    The hash of a shard is checked when it is read.
    """
    folder = Path(folder)
    path = folder / INDEX
    if not path.is_file():
        if any(_side_files(folder)):
            raise TokenDataError(str(folder), f"it is unfinished (no {INDEX}); run tokenize again with the same --out")
        raise ValueError(f"{folder} is not a token store: it has no {INDEX}")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        version = index["format_version"]
        if version != FORMAT_VERSION:
            raise TokenDataError(str(path), f"store format {version}, this signaltok reads {FORMAT_VERSION}")
        header = Header.from_json(index)
        shards = tuple(
            {name: shard[name] for name in ("file", "sha256", "bytes", "items")} for shard in index["shards"]
        )
        tokens = tuple(index["tokens"])
        failures = tuple(Failure(key=entry["key"], reason=entry["reason"]) for entry in index["failures"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise TokenDataError(
            str(path), f"it is damaged ({type(error).__name__}: {error}); run tokenize again"
        ) from None
    for shard in shards:
        for file in (folder / shard["file"], (folder / shard["file"]).with_suffix(".json")):
            if not file.is_file():
                raise TokenDataError(str(file), "it is missing; run tokenize again with the same --out to make it")
    return Store(folder=folder, header=header, shards=shards, tokens=tokens, failures=failures)


def is_store(folder: Path) -> bool:
    """Whether the folder is a token store, finished or not."""
    if (folder / INDEX).is_file():
        return True
    return any(_side_files(folder))


def _side_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*.json"))


def _finished(folder: Path, header: Header, plan: list[Planned]) -> set[int]:
    """Numbers of the shards that are there and whole."""
    if not is_store(folder) and any(not path.name.startswith((".", "shard-")) for path in folder.iterdir()):
        raise ValueError(f"{folder} holds other files and no tokens; give a new folder")
    remove_partial(folder)
    by_name = {planned.name: planned for planned in plan}
    finished = set()
    for path in _side_files(folder):
        side = read_side(path)
        theirs = Header.from_json(side)
        # Shards written before headers had channels are made anew, so that all shards have one header.
        older = theirs.channels is None and header.channels is not None
        theirs = replace(theirs, channels=header.channels) if older else theirs
        if replace(theirs, probe=None) != replace(header, probe=None):
            raise TokenDataError(
                str(folder),
                f"it holds codes of another tokenizer ({theirs.fingerprint[:12]}…, yours is "
                f"{header.fingerprint[:12]}…); give a new folder",
            )
        if theirs.probe != header.probe:
            raise TokenDataError(
                str(folder),
                f"the tokenizer gives other codes for the built-in signals here than where {path.name} was made "
                "(another machine, device or version of what reads the files); give a new folder",
            )
        planned = by_name.get(path.stem)
        if planned is None or planned.keys_hash != side["planned_keys"]:
            raise ValueError(
                f"{path} was made from other items or with another shard size than asked for now; give a new folder"
            )
        if not older and holds(folder, side):
            finished.add(planned.number)
    return finished
