"""Training and evaluation sets of pictures, with their loaders."""

from typing import Any

from signaltok.data.crops import Augmentation, CentreCrops, RandomCrops, Tiles
from signaltok.data.signal_data import SignalData
from signaltok.data.source import PictureSource
from signaltok.data.split import SPLITS, Split, check_split

_EVALUATION = {
    "tiles": "non-overlapping full tiles of {size} x {size} from the upper left corner; remainders left out",
    "centre": "the centre crop of {size} x {size} of every picture",
}


class ImageData(SignalData):
    """A source of pictures and how a run cuts and batches it.

    size: side of the crops. augmentation: of training crops alone. evaluation: "tiles" or "centre". The rest as in
    SignalData.
    """

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
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, num_workers=num_workers)
        if size < 1:
            raise ValueError(f"data.size is {size}; it must be 1 or more")
        self.source = source
        self.size = size
        self.augmentation = augmentation
        self.evaluation = evaluation

    def train_set(self, seed: int) -> RandomCrops:
        """The endless, numbered training samples of a seed."""
        return RandomCrops(source=self.source, split="train", size=self.size, augmentation=self.augmentation, seed=seed)

    def eval_set(self, split: Split) -> Tiles | CentreCrops:
        """The fixed crops of a split."""
        check_split(split)
        kind = Tiles if self.evaluation == "tiles" else CentreCrops
        return kind(source=self.source, split=split, size=self.size)

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
