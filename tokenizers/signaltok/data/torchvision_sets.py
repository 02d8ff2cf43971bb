"""Fashion-MNIST, CIFAR-10 and ImageNet, found and downloaded by torchvision.

Fashion-MNIST (Xiao et al. 2017) and CIFAR-10 (Krizhevsky 2009) come with a train and a test set; the last 5,000 of
train are val. ImageNet (Russakovsky et al. 2015): its validation set of 50,000 is test, as the papers on
tokenizers use it; val is a 256th of train, by the MD5 of the key.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from signaltok.data.read_image import read_pixels, read_size, resize_shorter, resized
from signaltok.data.source import PictureSource, check_resize, digest
from signaltok.data.split import SPLITS, Split, bucket_of

HELD_OUT = 5000
_IMAGENET_VAL_BUCKETS = 256


class PictureArrays(PictureSource):
    """Small pictures of one size, all in memory: uint8 [n, 3, h, w] for train (its end is val) and for test.

    labels: the classes of train and of test; None where there are none.
    """

    def __init__(
        self,
        *,
        name: str,
        root: str,
        train: Tensor,
        test: Tensor,
        held_out: int,
        labels: tuple[Sequence[int], Sequence[int]] | None,
    ) -> None:
        for which, pictures in (("train", train), ("test", test)):
            if pictures.dtype != torch.uint8 or pictures.dim() != 4 or pictures.shape[1] != 3:
                raise ValueError(
                    f"the {which} pictures of {name} are {pictures.dtype} {tuple(pictures.shape)}; "
                    "expected uint8 [n, 3, h, w]"
                )
        if not 0 < held_out < len(train) or not len(test):
            raise ValueError(
                f"{name} in {root} has {len(train)} train and {len(test)} test pictures, too few to hold out "
                f"{held_out} of train for val; download it again"
            )
        self.name = name
        self.root = root
        self._pictures = {"train": train, "test": test}
        self._labels = None if labels is None else {"train": labels[0], "test": labels[1]}
        border = len(train) - held_out
        self._held_out = held_out
        self._keys: dict[Split, tuple[str, ...]] = {
            "train": tuple(f"train/{number:05d}" for number in range(border)),
            "val": tuple(f"train/{number:05d}" for number in range(border, len(train))),
            "test": tuple(f"test/{number:05d}" for number in range(len(test))),
        }

    def keys(self, split: Split) -> tuple[str, ...]:
        """Keys in the data set's own order: its set and the number in it."""
        return self._keys[split]

    def pixels(self, key: str) -> UInt8[Tensor, "3 h w"]:
        """The picture."""
        which, number = key.split("/")
        return self._pictures[which][int(number)]

    def dimensions(self, key: str) -> tuple[int, int]:
        """Both sides."""
        height, width = self.pixels(key).shape[1:]
        return height, width

    def label(self, key: str) -> int | None:
        """See PictureSource."""
        which, number = key.split("/")
        return None if self._labels is None else int(self._labels[which][int(number)])

    def check_size(self, keys: Iterable[str], size: int) -> None:
        """ValueError where the pictures, all of one size, are too small for crops of size x size."""
        super().check_size(list(keys)[:1], size)

    def fingerprint(self) -> str:
        """Over all pixels and the number held out."""
        parts = [f"held_out={self._held_out}".encode()]
        for which in ("train", "test"):
            pictures = self._pictures[which]
            parts += [str(tuple(pictures.shape)).encode(), pictures.contiguous().numpy().tobytes()]
        return f"contents:{digest(parts)}"

    def describe(self) -> dict[str, Any]:
        """Name, root, split rule and number of pictures of each split."""
        return {
            "name": self.name,
            "root": self.root,
            "split_rule": f"the data set's own test; val is the last {self._held_out} of its train",
            "pictures": {name: len(self._keys[name]) for name in SPLITS},
        }


def fashion_mnist(*, root: str, download: bool) -> PictureArrays:
    """60,000 and 10,000 grey pictures of 28 x 28, repeated to three channels."""
    from torchvision.datasets import FashionMNIST

    sets = [
        _found(lambda train=train: FashionMNIST(root, train=train, download=download), "fashion_mnist", root)
        for train in (True, False)
    ]
    train, test = (part.data[:, None].repeat(1, 3, 1, 1) for part in sets)
    labels = (sets[0].targets.tolist(), sets[1].targets.tolist())
    return PictureArrays(name="Fashion-MNIST", root=root, train=train, test=test, held_out=HELD_OUT, labels=labels)


def cifar10(*, root: str, download: bool) -> PictureArrays:
    """50,000 and 10,000 colour pictures of 32 x 32."""
    from torchvision.datasets import CIFAR10

    sets = [
        _found(lambda train=train: CIFAR10(root, train=train, download=download), "cifar10", root)
        for train in (True, False)
    ]
    train, test = (torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous() for part in sets)
    labels = (sets[0].targets, sets[1].targets)
    return PictureArrays(name="CIFAR-10", root=root, train=train, test=test, held_out=HELD_OUT, labels=labels)


def _found(open_set: Callable[[], Any], name: str, root: str) -> Any:
    try:
        return open_set()
    except (RuntimeError, OSError, ValueError) as error:
        raise ValueError(
            f"no usable {name} in {root}: {error}. Download it there with data={name} data.download=true, "
            "or point data.root at a copy"
        ) from error


class ImageNet(PictureSource):
    """ImageNet in torchvision's layout under root, the shorter side scaled to resize; nothing is kept in memory."""

    def __init__(self, *, root: str, resize: int) -> None:
        from torchvision import datasets

        if resize < 1:
            raise ValueError(f"data.resize is {resize}; it is the length of the shorter side, 1 or more")
        self.root = Path(root)
        self.resize = resize
        found: dict[str, list[str]] = {}
        self._labels: dict[str, int] = {}
        for part in ("train", "val"):
            try:
                samples = datasets.ImageNet(root, split=part).samples
            except (RuntimeError, OSError, ValueError, ImportError) as error:
                raise ValueError(
                    f"no usable imagenet in {root}: {error}. Expected there: ILSVRC2012_devkit_t12.tar.gz with "
                    "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org (unpacked on first use, "
                    "which needs scipy), or meta.bin with the folders train and val that came of it. There is no "
                    "download by program; point data.root at the folder"
                ) from error
            named = {Path(path).relative_to(self.root).as_posix(): label for path, label in samples}
            found[part] = sorted(named)
            self._labels |= named
        held_out = {key for key in found["train"] if bucket_of(key, _IMAGENET_VAL_BUCKETS) == 0}
        self._keys: dict[Split, tuple[str, ...]] = {
            "train": tuple(key for key in found["train"] if key not in held_out),
            "val": tuple(key for key in found["train"] if key in held_out),
            "test": tuple(found["val"]),
        }

    def keys(self, split: Split) -> tuple[str, ...]:
        """Paths relative to root, sorted."""
        if not self._keys[split]:
            raise ValueError(f"the {split} split of {self.root} is empty: this is not the whole of ImageNet")
        return self._keys[split]

    def pixels(self, key: str) -> UInt8[Tensor, "3 h w"]:
        """The scaled picture."""
        return resize_shorter(read_pixels(self.root / key), self.resize)

    def dimensions(self, key: str) -> tuple[int, int]:
        """Both sides after scaling."""
        return resized(*read_size(self.root / key), self.resize)

    def label(self, key: str) -> int:
        """Its class, in the order of torchvision's list."""
        return self._labels[key]

    def check_size(self, keys: Iterable[str], size: int) -> None:  # noqa: ARG002
        """ValueError where crops of size x size do not fit the scaled pictures; no file is opened."""
        check_resize(self.resize, size)

    def fingerprint(self) -> str:
        """Over keys and file sizes, not contents: there are 150 gigabytes of them."""
        parts = [f"resize={self.resize}".encode()]
        for split in SPLITS:
            for key in self._keys[split]:
                parts += [key.encode(), str((self.root / key).stat().st_size).encode()]
        return f"names-and-sizes:{digest(parts)}"

    def describe(self) -> dict[str, Any]:
        """Name, root, split rule, scaling and number of pictures of each split."""
        return {
            "name": "ImageNet",
            "root": str(self.root),
            "split_rule": f"test is its validation set; val is bucket 0 of {_IMAGENET_VAL_BUCKETS} of train, by MD5",
            "resize": self.resize,
            "pictures": {name: len(self._keys[name]) for name in SPLITS},
        }
