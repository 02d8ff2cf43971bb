import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from signaltok.data.read_image import read_image, read_pixels, read_size, resize_shorter

PHOTO = Path(__file__).parents[2] / "data" / "photos" / "beach0.jpg"


def _values(path: Path) -> list[list[int]]:
    """The pixels row by row, one [r, g, b] each."""
    return read_pixels(path).flatten(1).T.tolist()


def test_a_photo_is_its_pixels_in_the_value_range() -> None:
    signal = read_image(PHOTO)
    expected = np.asarray(Image.open(PHOTO)).transpose(2, 0, 1)
    assert signal.dtype == torch.float32 and signal.shape == (3, 360, 720)
    assert np.array_equal(((signal + 1) * 127.5).round().numpy().astype(np.uint8), expected)
    assert read_size(PHOTO) == (360, 720)


def test_range_ends_are_exact(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).save(tmp_path / "ends.png")
    assert read_image(tmp_path / "ends.png")[0].tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_is_repeated(tmp_path: Path, mode: str) -> None:
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert(mode).save(tmp_path / "grey.png")
    assert _values(tmp_path / "grey.png") == [[0, 0, 0], [255, 255, 255]]


def test_palette_is_looked_up(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "palette.png")
    assert _values(tmp_path / "palette.png") == [[10, 20, 30], [200, 100, 50]]


def test_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "palette.png", transparency=bytes([0, 255]))
    assert _values(tmp_path / "palette.png") == [[255, 255, 255], [200, 100, 50]]


def test_alpha_is_laid_over_white_with_rounding(tmp_path: Path) -> None:
    rgba = [(0, 0, 0, 0), (0, 0, 0, 255), (100, 200, 0, 128), (1, 2, 3, 1)]
    picture = Image.new("RGBA", (4, 1))
    for x, value in enumerate(rgba):
        picture.putpixel((x, 0), value)
    picture.save(tmp_path / "alpha.png")
    expected = [[round((c * a + 255 * (255 - a)) / 255) for c in colour] for *colour, a in rgba]
    assert _values(tmp_path / "alpha.png") == expected


def test_grey_with_alpha(tmp_path: Path) -> None:
    picture = Image.new("LA", (2, 1), (0, 0))
    picture.putpixel((1, 0), (77, 255))
    picture.save(tmp_path / "la.png")
    assert _values(tmp_path / "la.png") == [[255] * 3, [77] * 3]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = [0, 128, 129, 256, 257, 32768, 65406, 65535]
    Image.fromarray(np.array([values], dtype=np.uint16)).save(tmp_path / f"deep.{suffix}")
    expected = [round(value * 255 / 65535) for value in values]
    assert expected[:3] == [0, 0, 1] and expected[-1] == 255
    assert read_pixels(tmp_path / f"deep.{suffix}").tolist() == [[expected]] * 3


def test_integers_beyond_sixteen_bits_and_floats_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], dtype=np.int32)).save(tmp_path / "i.tif")
    Image.fromarray(np.array([[0.0, 0.5]], dtype=np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(ValueError, match=r"cannot read .*i\.tif: integer pixels from 0 to 70000 do not fit 16 bits"):
        read_pixels(tmp_path / "i.tif")
    with pytest.raises(ValueError, match=r"cannot read .*f\.tif: floating-point pixels have no fixed range"):
        read_pixels(tmp_path / "f.tif")


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (1, 1), (0, 255, 255, 0)).save(tmp_path / "cmyk.tif")
    assert _values(tmp_path / "cmyk.tif") == [[255, 0, 0]]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_the_camera_orientation_is_applied(tmp_path: Path, suffix: str) -> None:
    picture = Image.new("L", (16, 8), 0)
    picture.paste(255, (0, 0, 16, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    picture.save(tmp_path / f"turned.{suffix}", exif=exif)
    pixels = read_pixels(tmp_path / f"turned.{suffix}")
    assert pixels.shape == (3, 16, 8)
    assert (pixels[:, :, 4:] > 200).all() and (pixels[:, :, :4] < 50).all()
    assert sorted(read_size(tmp_path / f"turned.{suffix}")) == [8, 16]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning", "ignore:Truncated File Read:UserWarning")
@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "bmp", "tif", "ppm"])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    broken = tmp_path / f"broken.{suffix}"
    for share in (0.01, 0.3, 0.6):
        broken.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ValueError, match=rf"cannot read .*broken\.{suffix}: .+; remove or replace it"):
            read_pixels(broken)


def test_damaged_files_are_read_or_named_never_anything_else(tmp_path: Path) -> None:
    draw = random.Random(0)
    outcomes = {"read": 0, "named": 0}
    for suffix in ("jpg", "png", "gif", "bmp", "ppm"):
        Image.open(PHOTO).resize((40, 20)).save(tmp_path / f"whole.{suffix}")
        whole = (tmp_path / f"whole.{suffix}").read_bytes()
        broken = tmp_path / f"broken.{suffix}"
        for _ in range(40):
            damaged = bytearray(whole)
            for _ in range(4):
                damaged[draw.randrange(min(300, len(damaged)))] = draw.randrange(256)
            broken.write_bytes(damaged)
            try:
                assert read_pixels(broken).dtype == torch.uint8
                outcomes["read"] += 1
            except ValueError as error:
                assert str(broken) in str(error)
                outcomes["named"] += 1
    assert min(outcomes.values()) > 10, outcomes


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    for name in ("notes.png", "empty.png"):
        with pytest.raises(ValueError, match=rf"cannot read .*{name}: it is not a picture that Pillow knows"):
            read_image(tmp_path / name)
        with pytest.raises(ValueError, match=rf"cannot read .*{name}: it is not a picture that Pillow knows"):
            read_size(tmp_path / name)
    with pytest.raises(ValueError, match=r"cannot read .*none\.png: there is no such file; check the path"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"Is a directory"):
        read_image(tmp_path)


def test_the_shorter_side_is_scaled() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).repeat(3, 32, 1)
    scaled = resize_shorter(ramp, 16)
    assert scaled.shape == (3, 16, 32)
    assert abs(scaled[0, 8, 16].item() - 32.5) <= 1
    assert resize_shorter(ramp, 32) is ramp


def test_reading_needs_no_torchvision() -> None:
    program = "import sys, signaltok.data.read_image, signaltok.data.crops; sys.exit('torchvision' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
