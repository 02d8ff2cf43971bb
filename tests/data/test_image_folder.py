from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from signaltok.data.image_folder import ImageFolder
from signaltok.data.split import bucket_of, check_split, split_of

PHOTOS = Path(__file__).parents[2] / "data" / "photos"


def _picture(path: Path, height: int = 8, width: int = 8, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, dtype=np.uint8)).save(path)


def _folder(root: Path, split: str = "all", resize: int | None = None, cache_megabytes: int = 1) -> ImageFolder:
    return ImageFolder(root=str(root), split=split, resize=resize, cache_megabytes=cache_megabytes)


def test_the_photos_split_by_name() -> None:
    source = _folder(PHOTOS, split="hash")
    assert [len(source.keys(split)) for split in ("train", "val", "test")] == [89, 10, 13]
    assert all(split_of(key) == "test" for key in source.keys("test"))
    assert source.describe()["pictures"] == {"train": 89, "val": 10, "test": 13}


def test_a_key_decides_its_split_alone() -> None:
    assert [bucket_of(key, 10) for key in ("beach0.jpg", "beach5.jpg", "canyon04.jpg")] == [7, 0, 1]
    assert [split_of(key) for key in ("beach0.jpg", "beach5.jpg", "canyon04.jpg")] == ["train", "test", "val"]
    with pytest.raises(ValueError, match="there is no split 'dev'; the splits are train, val, test"):
        check_split("dev")


def test_nested_pictures_are_found_sorted_and_others_passed_over(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.JPG", "a/b/c.webp", ".hidden.png", ".thumbs/d.png"):
        _picture(tmp_path / name)
    (tmp_path / "ATTRIBUTION").write_text("")
    assert _folder(tmp_path).keys("train") == ("a/b/c.webp", "a/z.JPG", "b.png")


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    _picture(tmp_path / "elsewhere" / "a.png")
    root = tmp_path / "root"
    _picture(root / "b.png")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    assert _folder(root).keys("val") == ("b.png", "linked/a.png")


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no folder .*missing; check data\.root"):
        _folder(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"holds no pictures; expected files ending in \.bmp, \.gif"):
        _folder(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"holds no pictures"):
        _folder(tmp_path)
    with pytest.raises(ValueError, match=r"notes\.txt is not a folder; data\.root is the folder"):
        _folder(tmp_path / "notes.txt")


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"data\.split is 'random'; it is hash .* or all"):
        _folder(tmp_path, split="random")
    with pytest.raises(ValueError, match=r"data\.resize is 0"):
        _folder(tmp_path, resize=0)
    with pytest.raises(ValueError, match=r"data\.cache_megabytes is -1"):
        _folder(tmp_path, cache_megabytes=-1)


def test_an_empty_split_says_what_to_do(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    source = _folder(tmp_path, split="hash")
    assert source.keys("train") == ("a.png",)
    with pytest.raises(
        ValueError, match=r"the test split of .* is empty: its 1 pictures .* into 1 train, 0 val, 0 test"
    ):
        source.keys("test")
    with pytest.raises(ValueError, match=r"data\.split=all"):
        source.keys("val")


def test_all_says_so_loudly(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    source = _folder(tmp_path, split="all")
    assert source.keys("train") == source.keys("val") == source.keys("test") == ("a.png",)
    assert "EVERY PICTURE IS IN EVERY SPLIT" in source.describe()["split_rule"]
    assert source.fingerprint().startswith("every-picture-in-every-split-contents:")


def test_the_fingerprint_follows_contents_names_and_rule(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png", value=1)
    first = _folder(tmp_path, split="hash").fingerprint()
    assert first == _folder(tmp_path, split="hash").fingerprint() and first.startswith("contents:")
    seen = {first, _folder(tmp_path).fingerprint(), _folder(tmp_path, split="hash", resize=4).fingerprint()}
    _picture(tmp_path / "a.png", value=2)
    seen.add(_folder(tmp_path, split="hash").fingerprint())
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    seen.add(_folder(tmp_path, split="hash").fingerprint())
    assert len(seen) == 5


def test_above_the_limit_names_and_sizes_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _picture(tmp_path / "a.png")
    monkeypatch.setattr("signaltok.data.image_folder.CONTENT_LIMIT", 10)
    before = _folder(tmp_path, split="hash").fingerprint()
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes() + b"1")
    assert before.startswith("names-and-sizes:") and _folder(tmp_path, split="hash").fingerprint() != before


def test_the_cache_keeps_what_fits_and_no_more(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png", height=500, width=500, value=7)
    _picture(tmp_path / "b.png", height=500, width=500, value=8)
    source = _folder(tmp_path)
    for key, value in (("a.png", 7), ("b.png", 8)):
        assert (source.pixels(key) == value).all()
    for name in ("a.png", "b.png"):
        (tmp_path / name).unlink()
    assert (source.pixels("a.png") == 7).all()
    with pytest.raises(ValueError, match=r"cannot read .*b\.png"):
        source.pixels("b.png")


def test_small_pictures_are_named_with_their_size(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png", 64, 64)
    _picture(tmp_path / "deep" / "small.png", 63, 200)
    source = _folder(tmp_path)
    source.check_size(["a.png"], 64)
    with pytest.raises(ValueError, match=r"deep/small\.png has 63 x 200 pixels .* too few for crops of 64 x 64"):
        source.check_size(source.keys("train"), 64)
    scaled = _folder(tmp_path, resize=64)
    scaled.check_size(scaled.keys("train"), 64)
    assert scaled.pixels("deep/small.png").shape == (3, *scaled.dimensions("deep/small.png")) == (3, 64, 203)
    with pytest.raises(ValueError, match=r"data\.resize=64 .* too few for crops of 65 x 65"):
        scaled.check_size(scaled.keys("train"), 65)
