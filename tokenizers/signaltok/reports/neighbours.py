"""Sheets of pictures found by texts, and of pictures that share a code."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from signaltok.metrics.neighbours import Neighbours
from signaltok.reports.pictures import GAP, INK, LABEL, MARGIN, PAPER, channels_last

SIDE = 96  # of a picture on the sheets
FOUND = (0, 150, 80)  # the frame around a text's own picture
LONGEST = 96  # characters of a text that are shown


def nearest_sheet(found: Neighbours) -> np.ndarray:
    """One picture [h, w, 3]: under each text the pictures nearest to it, its own in a frame."""
    texts = [text if len(text) <= LONGEST else text[: LONGEST - 1] + "…" for text in found.texts]
    return _rows(texts, [channels_last(row.numpy()) for row in found.nearest], found.own.tolist())


def shared_sheet(found: Neighbours) -> np.ndarray | None:
    """One picture [h, w, 3]: under each code pictures that have it; None where no two share one."""
    if not found.shared:
        return None
    titles = [f"code {code} of the first level" for code, _ in found.shared]
    return _rows(titles, [channels_last(pictures.numpy()) for _, pictures in found.shared], [-1] * len(titles))


def _rows(titles: Sequence[str], rows: Sequence[np.ndarray], framed: Sequence[int]) -> np.ndarray:
    across = max(len(row) for row in rows)
    width = max(2 * MARGIN + across * (SIDE + GAP) - GAP, 640)
    high = LABEL + SIDE + 2 * GAP
    canvas = Image.new("RGB", (width, 2 * MARGIN + len(rows) * high), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    for number, (title, row) in enumerate(zip(titles, rows, strict=True)):
        top = MARGIN + number * high
        draw.text((MARGIN, top), title, fill=INK, font=font)
        for place, picture in enumerate(row):
            left = MARGIN + place * (SIDE + GAP)
            resized = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)
            canvas.paste(resized, (left, top + LABEL))
            if place == framed[number]:
                box = (left - 3, top + LABEL - 3, left + SIDE + 2, top + LABEL + SIDE + 2)
                draw.rectangle(box, outline=FOUND, width=3)
    return np.asarray(canvas)
