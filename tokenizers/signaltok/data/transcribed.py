"""Whole utterances with what is said in them, in batches of about equal length."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from signaltok.data.audio_folder import TRANSCRIPTS, AudioFolder, read_transcripts
from signaltok.data.collate import Item
from signaltok.data.order import Passes
from signaltok.data.read_audio import resample
from signaltok.data.remembered import Remembered
from signaltok.data.signal_data import CountedItems, NumberedItems, SignalData
from signaltok.data.split import SPLITS, Split, check_split
from signaltok.data.utterance_order import UtteranceOrder
from signaltok.text import normalise
from signaltok.types.batch import Batch
from signaltok.types.transcript import Transcript

UNMATCHED = ("error", "leave_out")
NAMED = 8
STEPS = 20  # speeds are of so many parts of one, so that resampling has short filters
PADDED_SECONDS = 0.5  # batches are of so many whole ones: kernels are compiled for every shape, and so for few
MEMORY = 2**29  # bytes of utterances at another speed that are kept
_log = logging.getLogger(__name__)


class Utterances(CountedItems):
    """The files of some keys, whole, each with its text."""

    def __init__(self, source: AudioFolder, texts: dict[str, str], keys: Sequence[str]) -> None:
        self.source, self.texts, self.keys = source, texts, tuple(keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, number: int) -> Item:
        key = self.keys[number]
        return Item(key=key, signal=self.source.segment(key, 0, self.source.length(key)), text=self.texts[key])


class SpedUtterances(NumberedItems):
    """Utterance number % size of pass number // size, at a speed drawn under the number."""

    def __init__(self, utterances: Utterances, speeds: Sequence[float], seed: int) -> None:
        self.utterances, self.speeds = utterances, tuple(speeds)
        self._passes = Passes(size=len(utterances), seed=seed)
        self._remembered = Remembered(limit=MEMORY)

    def __getitem__(self, number: int) -> Item:
        item = self.utterances[number % len(self.utterances)]
        with self._passes.drawing(number):
            speed = self.speeds[int(torch.randint(len(self.speeds), ()))]
        # Read as if it had more samples a second than it has, it is over sooner.
        signal = self._remembered(
            (item.key, speed), lambda: resample(item.signal, round(speed * STEPS), STEPS).clamp(-1.0, 1.0)
        )
        return item._replace(key=f"{item.key}#speed={speed:g}", signal=signal.clone())


class TranscribedFolderData(SignalData):
    """A folder of audio and transcripts.tsv, which has a line "key TAB text" for each file.

    root, split, sample_rate, channels, resample: as in AudioFolder.
    normaliser: by which texts become what is learned and compared (signaltok.text.normalise). unmatched: what becomes
    of audio without a transcript, a transcript without audio and a transcript that normalises to nothing: "error", or
    "leave_out", which counts and names them. longest_seconds: longer files are left out of train, counted and named.
    speeds: of training items, one of them each time. batch_seconds: of a training batch with its padding, at most;
    batch_size: items in it, at most. The rest as in SignalData.
    """

    def __init__(
        self,
        *,
        root: str,
        split: str,
        normaliser: str,
        unmatched: str,
        sample_rate: int,
        channels: int,
        resample: bool,
        longest_seconds: float,
        speeds: list[float],
        batch_seconds: float,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, num_workers=num_workers)
        if unmatched not in UNMATCHED:
            raise ValueError(f"data.unmatched is {unmatched!r}; it is one of {', '.join(UNMATCHED)}")
        if not speeds or any(speed <= 0 or not math.isclose(speed * STEPS, round(speed * STEPS)) for speed in speeds):
            raise ValueError(f"data.speeds is {speeds}; each is a multiple of {1 / STEPS:g} above 0, such as 0.9")
        if min(longest_seconds, batch_seconds) <= 0:
            raise ValueError(
                f"data.longest_seconds is {longest_seconds} and batch_seconds {batch_seconds}; both must be above 0"
            )
        self.source = AudioFolder(root=root, split=split, sample_rate=sample_rate, channels=channels, resample=resample)
        self.sample_rate, self.channels = sample_rate, channels
        self.padded_to = max(1, round(PADDED_SECONDS * sample_rate))
        self.normaliser, self.speeds = normaliser, tuple(speeds)
        self.longest_seconds, self.batch_seconds = longest_seconds, batch_seconds
        self.texts, self.left_out = self._matched(Path(root) / TRANSCRIPTS, unmatched)
        self._keys = {name: self._chosen(name) for name in SPLITS}

    def examine(self) -> None:
        """See SignalData. Train is read too, as no other utterance can take the place of one in its batch."""
        self.source.examine(SPLITS)
        unreadable = self.source.unreadable
        self._keys = {split: tuple(key for key in keys if key not in unreadable) for split, keys in self._keys.items()}

    def train_set(self, seed: int) -> SpedUtterances:
        """See SignalData; sample number n is utterance n % size of train in the order of its keys."""
        return SpedUtterances(self._utterances("train"), self.speeds, seed)

    def eval_set(self, split: Split) -> Utterances:
        """The files of a split, whole."""
        check_split(split)
        return self._utterances(split)

    def transcripts(self) -> list[Transcript]:
        """See SignalData."""
        fastest = round(max(self.speeds) * STEPS)
        return [
            Transcript(
                key=key,
                split=split,
                text=self.texts[key],
                least=-(-self.source.length(key) * STEPS // fastest) if split == "train" else self.source.length(key),
            )
            for split in SPLITS
            for key in self._keys[split]
        ]

    def train_loader(
        self, *, seed: int, num_batches: int, start_batch: int, rank: int, world: int
    ) -> "DataLoader[Batch]":
        """See SignalData; utterances of about the same length come together."""
        order = UtteranceOrder(
            lengths=[self.source.length(key) for key in self._keys["train"]],
            most=round(self.batch_seconds * self.source.sample_rate),
            batch_size=self.batch_size,
            seed=seed,
            num_batches=num_batches,
            start_batch=start_batch,
            rank=rank,
            world=world,
        )
        return self._loader(self.train_set(seed), batch_sampler=order)

    def describe(self) -> dict[str, Any]:
        """See SignalData."""
        seconds = {
            name: round(sum(map(self.source.length, keys)) / self.source.sample_rate, 1)
            for name, keys in self._keys.items()
        }
        return self.source.describe() | {
            "normaliser": self.normaliser,
            "utterances": {name: len(keys) for name, keys in self._keys.items()},
            "utterance_seconds": seconds,
            "speeds": list(self.speeds),
            "left_out": {reason: {"items": len(keys), "which": _words(keys)} for reason, keys in self.left_out.items()},
            "evaluation": "whole files",
            "eval_items": {name: len(keys) for name, keys in self._keys.items() if keys and name != "train"},
        }

    def _utterances(self, split: Split) -> Utterances:
        keys = self._keys[split]
        if not keys:
            counts = ", ".join(f"{len(self._keys[name])} {name}" for name in SPLITS)
            raise ValueError(
                f"the {split} split of {self.source.root} has no utterance ({counts}); choose another data.split"
            )
        return Utterances(self.source, self.texts, keys)

    def _matched(self, path: Path, unmatched: str) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Text by key, and what is left out, by reason. ValueError for the first that should not be."""
        normalised = normalise.normaliser(self.normaliser)
        texts = {key: normalised(text) for key, text in read_transcripts(path).items()}
        there = set(self.source.found)
        problems = {
            "audio without a transcript": sorted(there - texts.keys()),
            "transcripts without audio": sorted(texts.keys() - there),
            f"transcripts without words by the normaliser {self.normaliser}": sorted(
                key for key, text in texts.items() if key in there and not text
            ),
        }
        found = {reason: keys for reason, keys in problems.items() if keys}
        for reason, keys in found.items():
            if unmatched == "error":
                raise ValueError(
                    f"{path.parent} has {len(keys)} {reason}: {_words(keys)}. Mend them, or set "
                    "data.unmatched=leave_out"
                )
            _log.warning("%s: %d %s are left out: %s", path.parent, len(keys), reason, _words(keys))
        gone = {key for keys in found.values() for key in keys}
        return {key: text for key, text in texts.items() if key not in gone}, found

    def _chosen(self, split: Split) -> tuple[str, ...]:
        keys = [key for key in self.source.split_keys(split) if key in self.texts]
        if split != "train":
            return tuple(keys)
        most = self.longest_seconds * self.source.sample_rate
        long = [key for key in keys if self.source.length(key) > most]
        if long:
            self.left_out[f"of train, longer than {self.longest_seconds:g} s"] = long
            _log.warning("%d files longer than %g s are left out of train", len(long), self.longest_seconds)
        return tuple(key for key in keys if self.source.length(key) <= most)


def _words(keys: list[str]) -> str:
    more = len(keys) - NAMED
    return ", ".join(keys[:NAMED]) + (f" and {more} more" if more > 0 else "")
