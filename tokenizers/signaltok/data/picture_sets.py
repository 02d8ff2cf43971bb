"""The choices of the config group `data`: one class a kind of picture set, each a source plus what ImageData does."""

from signaltok.data.crops import Augmentation
from signaltok.data.image_data import ImageData
from signaltok.data.image_folder import ImageFolder


class FolderData(ImageData):
    """A folder of pictures; root, split, resize and cache_megabytes as in ImageFolder, the rest as in ImageData."""

    def __init__(
        self,
        *,
        root: str,
        split: str,
        resize: int | None,
        cache_megabytes: int,
        size: int,
        augmentation: Augmentation | None,
        evaluation: str,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__(
            source=ImageFolder(root=root, split=split, resize=resize, cache_megabytes=cache_megabytes),
            size=size,
            augmentation=augmentation,
            evaluation=evaluation,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
        )
