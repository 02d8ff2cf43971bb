import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from signaltok.data.image_data import ImageData
from signaltok.data.torchvision_sets import ImageNet, PictureArrays, cifar10, fashion_mnist


def _idx(path: Path, array: np.ndarray) -> None:
    """The format of the MNIST family: 0, 0, type 8 (uint8), rank, the sizes, the values."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + array.tobytes())


def test_fashion_mnist_is_repeated_to_three_channels(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    pictures = np.random.default_rng(0).integers(0, 256, (5010, 28, 28), dtype=np.uint8)
    for name, count in (("train", 5010), ("t10k", 7)):
        _idx(raw / f"{name}-images-idx3-ubyte", pictures[:count])
        _idx(raw / f"{name}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    source = fashion_mnist(root=str(tmp_path), download=False)
    assert source.describe()["pictures"] == {"train": 10, "val": 5000, "test": 7}
    assert source.keys("val")[0] == "train/00010" and source.keys("test")[-1] == "test/00006"
    assert np.array_equal(source.pixels("train/00010").numpy(), np.repeat(pictures[10][None], 3, axis=0))
    data = ImageData(
        source=source, size=28, augmentation=None, evaluation="tiles", batch_size=4, eval_batch_size=4, num_workers=0
    )
    batches = list(data.eval_loader("test", rank=0, world=1))
    assert [batch.signal.shape[0] for batch in batches] == [4, 3]
    assert [label for batch in batches for label in batch.labels.tolist()] == [0, 1, 2, 3, 4, 5, 6]


def test_cifar10_keeps_its_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr(datasets.CIFAR10, "_load_meta", lambda _: None)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pictures = np.random.default_rng(0).integers(0, 256, (1002, 3 * 32 * 32), dtype=np.uint8)
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": pictures, "labels": [n % 7 for n in range(len(pictures))]}))
    source = cifar10(root=str(tmp_path), download=False)
    assert source.describe()["pictures"] == {"train": 10, "val": 5000, "test": 1002}
    assert np.array_equal(source.pixels("test/00003").numpy(), pictures[3].reshape(3, 32, 32))
    assert source.label("test/00010") == 3 and source.label("train/01002") == 0


@pytest.mark.parametrize("make", [fashion_mnist, cifar10])
def test_what_was_not_downloaded_says_how(tmp_path: Path, make: object) -> None:
    assert callable(make)
    name = getattr(make, "__name__", "")
    with pytest.raises(
        ValueError, match=rf"no usable {name} in .* data={name} data\.download=true, or point data\.root"
    ):
        make(root=str(tmp_path / "nowhere"), download=False)


def _arrays(train: torch.Tensor, held_out: int = 2) -> PictureArrays:
    return PictureArrays(name="Small", root="here", train=train, test=train[:1], held_out=held_out, labels=None)


def test_arrays_of_the_wrong_kind_are_named() -> None:
    with pytest.raises(ValueError, match=r"train pictures of Small are torch\.float32 \(3, 3, 4, 4\); expected uint8"):
        _arrays(torch.zeros(3, 3, 4, 4))
    with pytest.raises(ValueError, match="3 train and 1 test pictures, too few to hold out 3"):
        _arrays(torch.zeros(3, 3, 4, 4, dtype=torch.uint8), held_out=3)
    source = _arrays(torch.zeros(3, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"train/00000 has 4 x 4 pixels .* crops of 5 x 5"):
        source.check_size(source.keys("train"), 5)


def test_the_fingerprint_of_arrays_follows_pixels_and_rule() -> None:
    pictures = torch.zeros(4, 3, 4, 4, dtype=torch.uint8)
    first = _arrays(pictures).fingerprint()
    other = pictures.clone()
    other[3, 0, 0, 0] = 1
    assert first == _arrays(pictures.clone()).fingerprint()
    assert len({first, _arrays(other).fingerprint(), _arrays(pictures, held_out=1).fingerprint()}) == 3


def _imagenet(root: Path, count: int) -> None:
    for part, number in (("train", count), ("val", 3)):
        folder = root / part / "n01440764"
        folder.mkdir(parents=True)
        picture = Image.fromarray(np.zeros((20, 40, 3), dtype=np.uint8))
        for k in range(number):
            picture.save(folder / f"{part}_{k}.JPEG")
    torch.save(({"n01440764": ("tench",)}, ["n01440764"]), root / "meta.bin")


def test_imagenet_tests_on_its_validation_set(tmp_path: Path) -> None:
    _imagenet(tmp_path, count=1105)
    source = ImageNet(root=str(tmp_path), resize=16)
    assert source.keys("test") == tuple(f"val/n01440764/val_{k}.JPEG" for k in range(3))
    # The first number whose key has an MD5 that 256 divides.
    assert source.keys("val") == ("train/n01440764/train_1103.JPEG",)
    assert len(source.keys("train")) == 1104 and not set(source.keys("val")) & set(source.keys("train"))
    key = source.keys("train")[0]
    assert source.pixels(key).shape == (3, 16, 32) == (3, *source.dimensions(key))
    assert source.label(key) == 0
    data = ImageData(
        source=source, size=16, augmentation=None, evaluation="centre", batch_size=2, eval_batch_size=2, num_workers=0
    )
    assert [batch.keys for batch in data.eval_loader("test", rank=0, world=1)][1] == (
        "val/n01440764/val_2.JPEG#y=0,x=8",
    )
    with pytest.raises(ValueError, match=r"data\.resize=16 .* crops of 17 x 17"):
        source.check_size(source.keys("train"), 17)


def test_an_imagenet_that_is_not_there_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no usable imagenet in .* ILSVRC2012_img_train\.tar .* no\s+download"):
        ImageNet(root=str(tmp_path), resize=256)
    with pytest.raises(ValueError, match=r"data\.resize is 0"):
        ImageNet(root=str(tmp_path), resize=0)
