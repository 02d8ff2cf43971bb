from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from signaltok.data.crops import CentreCrops, RandomCrops, Tiles
from signaltok.data.image_folder import ImageFolder
from signaltok.data.read_image import read_image

PHOTOS = Path(__file__).parents[2] / "data" / "photos"


@pytest.fixture(scope="module")
def photos() -> ImageFolder:
    return ImageFolder(root=str(PHOTOS), split="hash", resize=None, cache_megabytes=128)


def _crops(source: ImageFolder, seed: int = 0, flip: float | None = 0.5) -> RandomCrops:
    augmentation = None if flip is None else v2.RandomHorizontalFlip(p=flip)
    return RandomCrops(source=source, split="train", size=64, augmentation=augmentation, seed=seed)


def _same(a: RandomCrops, b: RandomCrops, numbers: list[int]) -> bool:
    return all(a[n].key == b[n].key and torch.equal(a[n].signal, b[n].signal) for n in numbers)


def test_a_sample_is_a_function_of_seed_and_number(photos: ImageFolder) -> None:
    forward, backward = _crops(photos), _crops(photos)
    numbers = [0, 1, 88, 89, 90, 300, 5]
    first = {n: forward[n] for n in numbers}
    torch.manual_seed(7)
    for n in reversed(numbers):
        again = backward[n]
        assert again.key == first[n].key and torch.equal(again.signal, first[n].signal)
    assert not _same(_crops(photos, seed=1), forward, numbers)


def test_the_random_state_is_left_as_it_was(photos: ImageFolder) -> None:
    crops = _crops(photos)
    torch.manual_seed(3)
    undisturbed = torch.rand(4)
    torch.manual_seed(3)
    _ = crops[11]
    assert torch.equal(torch.rand(4), undisturbed)


def test_every_pass_sees_every_picture_once_in_its_own_order(photos: ImageFolder) -> None:
    crops, total = _crops(photos), len(photos.keys("train"))
    passes = [[crops[n].key.split("#")[0] for n in range(k * total, (k + 1) * total)] for k in range(2)]
    for one in passes:
        assert Counter(one) == Counter(photos.keys("train"))
    assert passes[0] != passes[1]


def test_a_crop_is_the_named_part_of_its_picture(photos: ImageFolder) -> None:
    plain, flipped = _crops(photos, flip=None), _crops(photos, flip=1.0)
    corners = set()
    for n in range(20):
        key, place = plain[n].key.split("#")
        top, left = (int(part.split("=")[1]) for part in place.split(","))
        expected = read_image(PHOTOS / key)[:, top : top + 64, left : left + 64]
        assert torch.equal(plain[n].signal, expected)
        assert torch.equal(flipped[n].signal, expected.flip(-1)) and flipped[n].key == plain[n].key
        corners.add((top, left))
    assert len(corners) > 15


def test_an_augmentation_cannot_reach_the_cache(photos: ImageFolder) -> None:
    def blacken(crop: torch.Tensor) -> torch.Tensor:
        return crop.zero_()

    crops = RandomCrops(source=photos, split="train", size=64, augmentation=blacken, seed=0)
    assert (crops[0].signal == -1).all()
    assert not (_crops(photos, flip=None)[0].signal == -1).all()


def test_an_augmentation_that_changes_shape_or_type_is_refused(photos: ImageFolder) -> None:
    for augmentation in (v2.CenterCrop(32), v2.ToDtype(torch.float32, scale=True)):
        crops = RandomCrops(source=photos, split="train", size=64, augmentation=augmentation, seed=0)
        with pytest.raises(ValueError, match=r"data\.augmentation made .* of uint8 \(3, 64, 64\); it must keep"):
            crops[0]


def test_the_test_photos_have_715_tiles(photos: ImageFolder) -> None:
    tiles = Tiles(source=photos, split="test", size=64)
    assert len(tiles) == 715
    keys = [tiles[n].key for n in range(len(tiles))]
    assert len(set(keys)) == 715
    assert keys[:2] == ["badlands8.jpg#y=0,x=0", "badlands8.jpg#y=0,x=64"]
    assert keys[54] == "badlands8.jpg#y=256,x=640" and keys[55] == "beach5.jpg#y=0,x=0"
    assert torch.equal(tiles[12].signal, read_image(PHOTOS / "badlands8.jpg")[:, 64:128, 64:128])


def test_tiles_of_a_turned_picture_lie_in_it_as_it_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = np.random.default_rng(0).integers(0, 256, (8, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "turned.png", exif=exif)
    source = ImageFolder(root=str(tmp_path), split="all", resize=None, cache_megabytes=0)
    tiles = Tiles(source=source, split="test", size=8)
    assert [tiles[n].key for n in range(len(tiles))] == ["turned.png#y=0,x=0", "turned.png#y=8,x=0"]
    assert torch.equal(tiles[1].signal, read_image(tmp_path / "turned.png")[:, 8:16])


def test_centre_crops(photos: ImageFolder) -> None:
    crops = CentreCrops(source=photos, split="val", size=64)
    assert len(crops) == 10
    assert crops[0].key == "canyon04.jpg#y=148,x=328"
    assert torch.equal(crops[0].signal, read_image(PHOTOS / "canyon04.jpg")[:, 148:212, 328:392])


@pytest.mark.parametrize("kind", [Tiles, CentreCrops])
def test_reading_past_the_end_stops(photos: ImageFolder, kind: type) -> None:
    with pytest.raises(IndexError):
        kind(source=photos, split="val", size=360)[1000]


def test_pictures_smaller_than_the_crop_are_named_when_a_set_is_made(photos: ImageFolder) -> None:
    for make in (
        lambda: Tiles(source=photos, split="test", size=361),
        lambda: CentreCrops(source=photos, split="test", size=361),
        lambda: RandomCrops(source=photos, split="test", size=361, augmentation=None, seed=0),
    ):
        with pytest.raises(ValueError, match=r"badlands8\.jpg has 360 x 720 pixels .* crops of 361 x 361"):
            make()
    with pytest.raises(ValueError, match=r"data\.size is 0"):
        Tiles(source=photos, split="test", size=0)
