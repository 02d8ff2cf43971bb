"""What a run asks of its data, whatever the signals are."""

from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from signaltok.data.collate import Item, collate
from signaltok.data.order import EvaluationShare, RunOrder
from signaltok.data.split import Split
from signaltok.types.batch import Batch
from signaltok.types.transcript import Transcript


class NumberedItems(ABC):
    """Items by their number, each the same whenever it is asked for."""

    @abstractmethod
    def __getitem__(self, number: int) -> Item:
        """Item `number`, from 0."""


class CountedItems(NumberedItems):
    """Items 0 .. len - 1."""

    @abstractmethod
    def __len__(self) -> int: ...


class SignalData(ABC):
    """Training items without end, and the fixed items of a split, in batches.

    value_range, channels: of the signals; sample_rate: in samples a second, None for what is no sound. batch_size:
    items a step and process; eval_batch_size does not change any figure. num_workers: processes that load, 0 for none.
    padded_to: every axis of a batch is padded to a multiple of so many positions.
    """

    source: Any  # of pictures or of sounds; what is asked of it here is its fingerprint
    value_range: tuple[float, float] = (-1.0, 1.0)
    channels: int
    sample_rate: int | None = None
    padded_to: int = 1

    def __init__(self, *, batch_size: int, eval_batch_size: int, num_workers: int) -> None:
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("eval_batch_size", eval_batch_size, 1),
            ("num_workers", num_workers, 0),
        ):
            if value < least:
                raise ValueError(f"data.{name} is {value}; it must be {least} or more")
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self._fingerprint: str | None = None

    @abstractmethod
    def train_set(self, seed: int) -> NumberedItems:
        """The endless, numbered training samples of a seed."""

    @abstractmethod
    def eval_set(self, split: Split) -> CountedItems:
        """The fixed items of a split."""

    def examine(self) -> None:
        """Leave out items whose defects would end the run only when they are read, before anything else is asked for.

        Of data that do not say otherwise nothing is read for it.
        """
        return

    def fingerprint(self) -> str:
        """A hash over the files, their names and the rule of the split; the word before the colon says over what.

        Of what was there when it was first asked for: all files are read once.
        """
        found = self._fingerprint or str(self.source.fingerprint())
        self._fingerprint = found
        return found

    def optional_fields(self) -> frozenset[str]:
        """Which of the fields text, pair and labels of a Batch these data have; looks at one training item."""
        item = self.train_set(0)[0]
        found = {"text": item.text, "pair": item.pair, "labels": item.label}
        return frozenset(name for name, value in found.items() if value is not None)

    def transcripts(self) -> list[Transcript] | None:
        """What is said in the items of every split; None of data that do not say."""
        return None

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Plain data for the record of a run: the source, the split, and how items are cut and counted."""

    def train_loader(
        self, *, seed: int, num_batches: int, start_batch: int, rank: int, world: int
    ) -> "DataLoader[Batch]":
        """Batches start_batch .. num_batches - 1 of the run; takes nothing from torch's own random state."""
        order = RunOrder(
            batch_size=self.batch_size, num_batches=num_batches, start_batch=start_batch, rank=rank, world=world
        )
        return self._loader(self.train_set(seed), batch_sampler=order)

    def eval_loader(self, split: Split, *, rank: int, world: int) -> "DataLoader[Batch]":
        """A process's share of the items of a split: every world-th batch, each item once over all processes."""
        items = self.eval_set(split)
        share = EvaluationShare(items=len(items), batch_size=self.eval_batch_size, rank=rank, world=world)
        return self._loader(items, batch_sampler=share)

    def _loader(self, dataset: Any, **how: Any) -> "DataLoader[Batch]":
        return DataLoader(
            dataset,
            collate_fn=partial(collate, multiple=self.padded_to),
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(0),
            **how,
        )
