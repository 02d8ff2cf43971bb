"""Training and evaluation sets of pictures, with their loaders."""

from typing import Any

import torch
from torch.utils.data import DataLoader

from signaltok.data.collate import collate
from signaltok.data.crops import Augmentation, CentreCrops, RandomCrops, Tiles
from signaltok.data.order import EvaluationShare, RunOrder
from signaltok.data.source import PictureSource
from signaltok.data.split import SPLITS, Split, check_split
from signaltok.types.batch import Batch

_EVALUATION = {
    "tiles": "non-overlapping full tiles of {size} x {size} from the upper left corner; remainders left out",
    "centre": "the centre crop of {size} x {size} of every picture",
}


class ImageData:
    """A source of pictures and how a run cuts and batches it.

    size: side of the crops. augmentation: of training crops alone. evaluation: "tiles" or "centre". batch_size: items
    a step and process; eval_batch_size does not change any figure. num_workers: processes that load, 0 for none.
    """

    value_range: tuple[float, float] = (-1.0, 1.0)
    channels: int = 3

    def __init__(
        self,
        *,
        source: PictureSource,
        size: int,
        augmentation: Augmentation | None,
        evaluation: str,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        if evaluation not in _EVALUATION:
            raise ValueError(f"data.evaluation is {evaluation!r}; it is one of {', '.join(_EVALUATION)}")
        for name, value, least in (
            ("size", size, 1),
            ("batch_size", batch_size, 1),
            ("eval_batch_size", eval_batch_size, 1),
            ("num_workers", num_workers, 0),
        ):
            if value < least:
                raise ValueError(f"data.{name} is {value}; it must be {least} or more")
        self.source = source
        self.size = size
        self.augmentation = augmentation
        self.evaluation = evaluation
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.num_workers = num_workers
        self._fingerprint: str | None = None

    def train_set(self, seed: int) -> RandomCrops:
        """The endless, numbered training samples of a seed."""
        return RandomCrops(source=self.source, split="train", size=self.size, augmentation=self.augmentation, seed=seed)

    def eval_set(self, split: Split) -> Tiles | CentreCrops:
        """The fixed crops of a split."""
        check_split(split)
        kind = Tiles if self.evaluation == "tiles" else CentreCrops
        return kind(source=self.source, split=split, size=self.size)

    def train_loader(
        self, *, seed: int, num_batches: int, start_batch: int, rank: int, world: int
    ) -> "DataLoader[Batch]":
        """Batches start_batch .. num_batches - 1 of the run; takes nothing from torch's own random state."""
        order = RunOrder(
            batch_size=self.batch_size, num_batches=num_batches, start_batch=start_batch, rank=rank, world=world
        )
        return self._loader(self.train_set(seed), batch_sampler=order)

    def eval_loader(self, split: Split, *, rank: int, world: int) -> "DataLoader[Batch]":
        """A process's share of the crops of a split: every world-th batch, each crop once over all processes."""
        crops = self.eval_set(split)
        share = EvaluationShare(items=len(crops), batch_size=self.eval_batch_size, rank=rank, world=world)
        return self._loader(crops, batch_sampler=share)

    def fingerprint(self) -> str:
        """A hash over the pictures, their names and the rule of the split; the word before the colon says over what.

        Of what was there when it was first asked for: all pictures are read once.
        """
        if self._fingerprint is None:
            self._fingerprint = self.source.fingerprint()
        return self._fingerprint

    def describe(self) -> dict[str, Any]:
        """Plain data for the record of a run: the source, the split, and how pictures are cut and counted."""
        description = self.source.describe()
        pictures = description["pictures"]
        return description | {
            "size": self.size,
            "augmentation": None if self.augmentation is None else str(self.augmentation),
            "evaluation": _EVALUATION[self.evaluation].format(size=self.size),
            "eval_items": {name: len(self.eval_set(name)) for name in SPLITS[1:] if pictures[name]},
        }

    def _loader(self, dataset: Any, **how: Any) -> "DataLoader[Batch]":
        return DataLoader(
            dataset,
            collate_fn=collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(0),
            **how,
        )
