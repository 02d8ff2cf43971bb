"""A set of audio files: keys by split, their lengths, and any stretch of each at one rate and number of channels."""

import hashlib
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float32
from rich.console import Console
from rich.progress import track
from torch import Tensor

from signaltok.data.audio_file import Header, read_header
from signaltok.data.found_files import left_out_words
from signaltok.data.read_audio import RESAMPLING, check_channels, read_segment, resampled_length
from signaltok.data.remembered import Remembered
from signaltok.data.source import digest
from signaltok.data.split import SPLITS, Split

CONTENT_LIMIT = 2**30
MEMORY = 2**27  # bytes of decoded files that are kept, 35 minutes at 16 kHz
PIECE = 2**20  # samples of a file that are examined at a time
BYTES = 4  # of a sample
_log = logging.getLogger(__name__)


class AudioSource(ABC):
    """Where sounds come from; lengths and places are counted in samples at sample_rate."""

    sample_rate: int
    channels: int

    @abstractmethod
    def keys(self, split: Split) -> tuple[str, ...]:
        """Names of the sounds of a split, in an order that never changes; ValueError where there are none."""

    @abstractmethod
    def length(self, key: str) -> int:
        """Samples of the sound, 1 or more."""

    @abstractmethod
    def segment(self, key: str, start: int, stop: int) -> Float32[Tensor, "c n"]:
        """Samples start .. stop - 1, in -1..1. ValueError where they cannot be read."""

    @abstractmethod
    def examine(self, splits: Sequence[Split]) -> None:
        """Leave out, before anything else is asked for, the sounds of the splits that turn out to be unreadable."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash that changes when a sound, a name or the rule of the split does."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Plain data for the record of a run; "files" and "seconds" count those of each split."""


class AudioFiles(AudioSource):
    """Files under root, by split; a key is a path relative to root.

    split_rule: how they were split, in words. resample: whether files of another rate are resampled, or refused. Files
    that cannot be read are left out, counted and named in describe: by their headers, which are read when this is
    built, and by what examine finds. Files that fit into MEMORY together are decoded once, whole, and kept; of others
    no more is read than is asked for.
    """

    def __init__(
        self,
        *,
        root: Path,
        files: Mapping[Split, Sequence[str]],
        split_rule: str,
        sample_rate: int,
        channels: int,
        resample: bool,
    ) -> None:
        for name, value in (("sample_rate", sample_rate), ("channels", channels)):
            if value < 1:
                raise ValueError(f"data.{name} is {value}; it must be 1 or more")
        self.root, self.split_rule = root, split_rule
        self.sample_rate, self.channels = sample_rate, channels
        everything = sorted({key for keys in files.values() for key in keys})
        self._headers: dict[str, Header] = {}
        self.unreadable: dict[str, str] = {}
        for key in everything:
            try:
                header = read_header(root / key)
                check_channels(root / key, header, channels)
                self._headers[key] = header
            except ValueError as error:
                self.unreadable[key] = self._reason(key, error)
        self._check(everything, resample)
        whole = sum(map(self.length, self._headers)) * channels * BYTES
        self._remembered = Remembered(limit=MEMORY) if whole <= MEMORY else None
        self._keys: dict[Split, tuple[str, ...]] = {
            split: tuple(key for key in files.get(split, ()) if key in self._headers) for split in SPLITS
        }

    def _check(self, everything: list[str], resample: bool) -> None:
        if not self._headers:
            first = next(iter(self.unreadable.items()), None)
            reason = "" if first is None else f"; the first is {first[0]}: {first[1]}"
            raise ValueError(f"none of the {len(everything)} audio files of {self.root} can be read{reason}")
        self._warn(len(everything), self.unreadable)
        others = [key for key, header in self._headers.items() if header.sample_rate != self.sample_rate]
        if others and not resample:
            rate = self._headers[others[0]].sample_rate
            raise ValueError(
                f"{len(others)} of {len(everything)} files of {self.root} have another rate than data.sample_rate="
                f"{self.sample_rate}, such as {others[0]} with {rate}; set data.resample=true to have them resampled"
            )

    def examine(self, splits: Sequence[Split]) -> None:
        """See AudioSource. Every sample is read, as a header does not tell of samples that are missing or no numbers.

        Of sets above one GiB, whose contents are not hashed either, nothing is read: it would take too long.
        """
        if sum((self.root / key).stat().st_size for key in self._headers) > CONTENT_LIMIT:
            return
        found: dict[str, str] = {}
        chosen = list(dict.fromkeys(key for split in splits for key in self._keys[split]))
        console = Console(stderr=True)
        for key in track(chosen, "sounds", console=console, transient=True, disable=not console.is_terminal):
            length = self.length(key)
            try:
                for start in range(0, length, PIECE):
                    self.segment(key, start, min(length, start + PIECE))
            except ValueError as error:
                found[key] = self._reason(key, error)
        self._warn(len(self._headers), found)
        self.unreadable |= found
        self._headers = {key: header for key, header in self._headers.items() if key not in found}
        self._keys = {split: tuple(key for key in keys if key not in found) for split, keys in self._keys.items()}

    def keys(self, split: Split) -> tuple[str, ...]:
        """Keys of a split, in the order they were given."""
        keys = self.split_keys(split)
        if not keys:
            counts = ", ".join(f"{len(self._keys[name])} {name}" for name in SPLITS)
            raise ValueError(
                f"the {split} split of {self.root} is empty: its {len(self._headers)} files are split into {counts}. "
                "Add files, or choose another data.split"
            )
        return keys

    def split_keys(self, split: Split) -> tuple[str, ...]:
        """The same, and none where there are none."""
        return self._keys[split]

    def length(self, key: str) -> int:
        """See AudioSource."""
        return resampled_length(self._headers[key], self.sample_rate)

    def segment(self, key: str, start: int, stop: int) -> Float32[Tensor, "c n"]:
        """See AudioSource."""
        if self._remembered is None:
            return self._read(key, start, stop)
        return self._remembered(key, lambda: self._read(key, 0, self.length(key)))[:, start:stop].clone()

    def _read(self, key: str, start: int, stop: int) -> Float32[Tensor, "c n"]:
        return read_segment(self.root / key, self._headers[key], self.sample_rate, self.channels, start, stop)

    def fingerprint(self) -> str:
        """Over keys, split, rate, channels and file contents; above one GiB of files, over their sizes instead."""
        sizes = {key: (self.root / key).stat().st_size for key in self._headers}
        whole = sum(sizes.values()) <= CONTENT_LIMIT
        parts = [f"sample_rate={self.sample_rate} channels={self.channels} {self.split_rule}".encode()]
        parts += [f"{split} {len(keys)}".encode() for split, keys in self._keys.items()]
        for key, size in sizes.items():
            parts.append(key.encode("utf-8", "surrogateescape"))
            parts.append(hashlib.sha256((self.root / key).read_bytes()).digest() if whole else str(size).encode())
        return f"{'contents' if whole else 'names-and-sizes'}:{digest(parts)}"

    def describe(self) -> dict[str, Any]:
        """Name, root, split rule, rate, channels, what was resampled or left out, and what there is of each split."""
        rates = Counter(header.sample_rate for header in self._headers.values())
        del rates[self.sample_rate]
        description: dict[str, Any] = {
            "name": self.root.resolve().name,
            "root": str(self.root),
            "split_rule": self.split_rule,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "files": {name: len(keys) for name, keys in self._keys.items()},
            "seconds": {
                name: round(sum(map(self.length, keys)) / self.sample_rate, 1) for name, keys in self._keys.items()
            },
        }
        if rates:
            words = ", ".join(f"{count} files of {rate} Hz" for rate, count in sorted(rates.items()))
            how = ", ".join(f"{name} {value}" for name, value in RESAMPLING.items())
            description["resampled"] = f"{words}, by windowed sinc: {how}"
        if self.unreadable:
            description["unreadable"] = {"files": len(self.unreadable), "which": left_out_words(self.unreadable)}
        return description

    def _reason(self, key: str, error: ValueError) -> str:
        return str(error).removeprefix(f"cannot read {self.root / key}: ")

    def _warn(self, among: int, left_out: dict[str, str]) -> None:
        if left_out:
            words = left_out_words(left_out)
            _log.warning("%d of %d audio files of %s are left out: %s", len(left_out), among, self.root, words)
