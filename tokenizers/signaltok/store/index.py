"""A store as a whole: filling it shard by shard, the index derived from the side files, and reading it."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signaltok.files import write_text
from signaltok.store.plan import FORMAT_VERSION, Failure, Header, Item, Planned, plan_shards
from signaltok.store.shard import holds, read_shard, read_side, write_shard

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
    stopped. Raises ValueError where the folder holds another tokenizer's codes, other items, or other files.
    """
    plan = plan_shards(keys, shard_items)
    finished = _finished(folder, header, plan)
    for planned in plan:
        if planned.number in finished:
            advance(len(planned.keys))
            continue
        items: list[Item] = []
        failures: list[Failure] = []
        for key in planned.keys:
            result = compute(key)
            if isinstance(result, Item):
                items.append(result)
            else:
                failures.append(result)
            advance(1)
        write_shard(folder, planned, header, items, failures, device)
    return write_index(folder)


def write_index(folder: Path) -> dict[str, Any]:
    """Derive index.json from the side files and write it; its content."""
    sides = [read_side(path) for path in _side_files(folder)]
    if not sides:
        raise ValueError(f"{folder} holds no shards to index")
    headers = [Header.from_json(side) for side in sides]
    if any(header != headers[0] for header in headers):
        prints = sorted({header.fingerprint[:12] for header in headers})
        raise ValueError(f"{folder} mixes shards of several tokenizers ({', '.join(prints)}); tokenize to a new folder")
    index = {
        "format_version": FORMAT_VERSION,
        **headers[0].to_json(),
        "items": sum(side["items"] for side in sides),
        "tokens": [sum(level) for level in zip(*(side["tokens"] for side in sides), strict=True)],
        "failures": [failure for side in sides for failure in side["failures"]],
        "shards": [{name: side[name] for name in SHARD_FIELDS} for side in sides],
    }
    write_text(folder / INDEX, json.dumps(index, indent=2) + "\n")
    return index


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
        for shard in self.shards:
            yield from read_shard(self.folder, {**self.header.to_json(), **shard})

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raise ValueError where the codes are another tokenizer's."""
        if fingerprint != self.header.fingerprint:
            raise ValueError(
                f"{self.folder} holds the codes of tokenizer {self.header.fingerprint[:12]}…, not of "
                f"{fingerprint[:12]}…; give the tokenizer that made them"
            )


def read_store(folder: str | Path) -> Store:
    """Open a store. Raises ValueError naming the folder or file where it is missing, unfinished or damaged.

    The hash of a shard is checked when it is read.
    """
    folder = Path(folder)
    path = folder / INDEX
    if not path.is_file():
        if any(_side_files(folder)):
            raise ValueError(f"{folder} is unfinished (no {INDEX}); run tokenize again with the same --out")
        raise ValueError(f"{folder} is not a token store: it has no {INDEX}")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        version = index["format_version"]
        if version != FORMAT_VERSION:
            raise ValueError(f"{path} has store format {version}, this signaltok reads {FORMAT_VERSION}")
        header = Header.from_json(index)
        shards = tuple(
            {name: shard[name] for name in ("file", "sha256", "bytes", "items")} for shard in index["shards"]
        )
        tokens = tuple(index["tokens"])
        failures = tuple(Failure(key=entry["key"], reason=entry["reason"]) for entry in index["failures"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}); run tokenize again") from None
    missing = [shard["file"] for shard in shards if not (folder / shard["file"]).is_file()]
    if missing:
        raise ValueError(f"{folder} is incomplete: {', '.join(missing[:3])} missing; run tokenize again")
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
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder for the tokens")
    if not is_store(folder) and any(not path.name.startswith((".shard-", "shard-")) for path in folder.iterdir()):
        raise ValueError(f"{folder} holds other files and no tokens; give a new folder")
    by_name = {planned.name: planned for planned in plan}
    finished = set()
    for path in _side_files(folder):
        side = read_side(path)
        theirs = Header.from_json(side)
        if theirs != header:
            raise ValueError(
                f"{folder} holds codes of another tokenizer ({theirs.fingerprint[:12]}…, yours is "
                f"{header.fingerprint[:12]}…); give a new folder"
            )
        planned = by_name.get(path.stem)
        if planned is None or planned.keys_hash != side["planned_keys"]:
            raise ValueError(
                f"{path} was made from other items or with another shard size than asked for now; give a new folder"
            )
        if holds(folder, side):
            finished.add(planned.number)
    return finished
