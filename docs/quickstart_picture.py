"""Draw docs/quickstart.png: photographs of the test split, their tokens, and what the tokens decode to.

make quickstart && python docs/quickstart_picture.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

import signaltok
from signaltok.reports.pictures import code_colours

ROOT = Path(__file__).parent.parent
PHOTOS = ("mountain6.jpg", "city10.jpg")  # neither was seen in training
WIDTH, HEIGHT, GAP = 360, 180, 8


def panel(pixels: np.ndarray, resample: Image.Resampling) -> Image.Image:
    return Image.fromarray(pixels).resize((WIDTH, HEIGHT), resample)


def main() -> None:
    tokenizer = signaltok.load(ROOT / "outputs" / "latest" / "tokenizer")
    page = Image.new("RGB", (3 * WIDTH + 2 * GAP, len(PHOTOS) * (HEIGHT + GAP) - GAP), "white")
    for row, name in enumerate(PHOTOS):
        x = signaltok.read_image(ROOT / "data" / "photos" / name)[None]
        stack = tokenizer.encode(x)
        y = tokenizer.decode(stack)
        original, decoded = (
            ((signal[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy() for signal in (x, y)
        )
        tokens = code_colours(stack.levels[0][0].numpy())
        panels = (
            panel(original, Image.Resampling.LANCZOS),
            panel(tokens, Image.Resampling.NEAREST),
            panel(decoded, Image.Resampling.LANCZOS),
        )
        for column, picture in enumerate(panels):
            page.paste(picture, (column * (WIDTH + GAP), row * (HEIGHT + GAP)))
    page.quantize(256).save(ROOT / "docs" / "quickstart.png", optimize=True)


if __name__ == "__main__":
    main()
