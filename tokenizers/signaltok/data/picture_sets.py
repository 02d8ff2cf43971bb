"""The choices of the config group `data`: one class a kind of picture set, each a source plus what ImageData does."""

from abc import abstractmethod

from signaltok.data.crops import Augmentation
from signaltok.data.image_data import ImageData
from signaltok.data.image_folder import ImageFolder
from signaltok.data.torchvision_sets import ImageNet, PictureArrays, cifar10, fashion_mnist


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


class _DownloadedPictures(ImageData):
    """A set under root; download: fetch it where it is missing. The rest as in ImageData."""

    def __init__(
        self,
        *,
        root: str,
        download: bool,
        size: int,
        augmentation: Augmentation | None,
        evaluation: str,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__(
            source=self._found(root=root, download=download),
            size=size,
            augmentation=augmentation,
            evaluation=evaluation,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
        )

    @staticmethod
    @abstractmethod
    def _found(*, root: str, download: bool) -> PictureArrays:
        """All of its pictures."""


class FashionMNISTData(_DownloadedPictures):
    """Fashion-MNIST under root; download: fetch it where it is missing. The rest as in ImageData."""

    _found = staticmethod(fashion_mnist)


class CIFAR10Data(_DownloadedPictures):
    """CIFAR-10 under root; download: fetch it where it is missing. The rest as in ImageData."""

    _found = staticmethod(cifar10)


class ImageNetData(ImageData):
    """ImageNet under root, the shorter side scaled to resize. The rest as in ImageData."""

    def __init__(
        self,
        *,
        root: str,
        resize: int,
        size: int,
        augmentation: Augmentation | None,
        evaluation: str,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__(
            source=ImageNet(root=root, resize=resize),
            size=size,
            augmentation=augmentation,
            evaluation=evaluation,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
        )
