"""Pictures: originals beside reconstructions, and token maps in which every code has a colour of its own."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GOLDEN_ANGLE = 2.399963229728653
LIGHTNESS = (0.42, 0.88)
CHROMA = (0.05, 0.14)
TILE = 144  # a picture on a sheet is enlarged by whole factors towards this side
GAP, MARGIN, LABEL = 8, 20, 26
PAPER, INK = (255, 255, 255), (40, 44, 52)

_OKLAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@dataclass(frozen=True)
class Column:
    """A label and pictures [n, h, w, 3] uint8 under it."""

    label: str
    pictures: np.ndarray


def code_colours(codes: np.ndarray) -> np.ndarray:
    """A colour [..., 3] uint8 for every code: neighbours in number are far apart in hue.

    In Oklab (Ottosson 2020), where equal steps look equal: the hue turns by the golden angle with every code,
    lightness and chroma follow two other irrational steps, so that colours spread evenly over all three.
    """
    number = codes.astype(np.float64)
    hue = number * GOLDEN_ANGLE
    lightness = LIGHTNESS[0] + (LIGHTNESS[1] - LIGHTNESS[0]) * np.mod(number * 0.7548776662 + 0.5, 1)
    chroma = CHROMA[0] + (CHROMA[1] - CHROMA[0]) * np.mod(number * 0.5698402910, 1)
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    linear = ((lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T).clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curved * 255).astype(np.uint8)


def token_maps(codes: np.ndarray | None) -> np.ndarray | None:
    """The codes [n, h, w] of grids as they are; of sequences [n, tokens] as strips [n, 1, tokens]; else None."""
    if codes is None or codes.ndim not in (2, 3):
        return None
    return codes if codes.ndim == 3 else codes[:, None]


def channels_last(pictures: np.ndarray) -> np.ndarray:
    """[n, c, h, w] uint8 as [n, h, w, 3]; one grey channel is repeated."""
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3):
        raise ValueError(f"pictures must be [n, 1 or 3, h, w], got {pictures.shape}")
    return np.ascontiguousarray(
        np.broadcast_to(pictures, (len(pictures), 3, *pictures.shape[2:])).transpose(0, 2, 3, 1)
    )


def png(picture: np.ndarray) -> bytes:
    """[h, w, 3] uint8 as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", optimize=True)
    return file.getvalue()


def sheet(columns: Sequence[Column], *, across: int) -> np.ndarray:
    """One picture [h, w, 3] with all columns side by side, item under item, `across` items a row."""
    count, height, width = columns[0].pictures.shape[:3]
    factor = max(1, round(TILE / max(height, width)))
    tile = (width * factor, height * factor)
    across = min(across, count)
    group = len(columns) * tile[0] + (len(columns) - 1) * 2
    rows = -(-count // across)
    size = (
        2 * MARGIN + across * group + (across - 1) * 2 * GAP,
        2 * MARGIN + LABEL + rows * tile[1] + (rows - 1) * GAP,
    )
    canvas = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    for item in range(count):
        row, place = divmod(item, across)
        left = MARGIN + place * (group + 2 * GAP)
        top = MARGIN + LABEL + row * (tile[1] + GAP)
        for number, column in enumerate(columns):
            x = left + number * (tile[0] + 2)
            picture = Image.fromarray(column.pictures[item]).resize(tile, Image.Resampling.NEAREST)
            canvas.paste(picture, (x, top))
            if row == 0:
                draw.text((x, MARGIN), column.label, fill=INK, font=font)
    return np.asarray(canvas)
