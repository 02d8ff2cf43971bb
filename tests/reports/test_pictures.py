import io

import numpy as np
import pytest
from PIL import Image

from signaltok.reports.pictures import GAP, LABEL, MARGIN, Column, channels_last, code_colours, png, sheet


def test_colours_of_a_thousand_codes_are_all_different_and_fixed():
    colours = code_colours(np.arange(1024))
    assert colours.dtype == np.uint8 and len(np.unique(colours, axis=0)) > 1000
    assert np.array_equal(colours[[3, 700]], code_colours(np.array([3, 700])))


def test_neighbours_in_number_look_different():
    colours = code_colours(np.arange(1024)).astype(int)
    assert np.abs(np.diff(colours, axis=0)).max(axis=1).min() > 40


def test_maps_keep_their_shape():
    codes = np.random.default_rng(0).integers(0, 50, (2, 4, 6))
    colours = code_colours(codes)
    assert colours.shape == (2, 4, 6, 3)
    assert np.array_equal(colours[1, 2, 3], code_colours(codes[1, 2, 3]))


def test_pictures_are_turned_and_grey_is_repeated():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    assert np.array_equal(channels_last(pictures)[1, 2, 3], pictures[1, :, 2, 3])
    grey = channels_last(pictures[:, :1])
    assert np.array_equal(grey[..., 0], pictures[:, 0]) and np.array_equal(grey[..., 2], pictures[:, 0])
    with pytest.raises(ValueError, match=r"\(2, 2, 4, 5\)"):
        channels_last(pictures[:, :2])


def test_png_is_lossless():
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(picture)))), picture)


def test_a_sheet_holds_every_picture_enlarged_by_a_whole_factor():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 72, 48, 3), dtype=np.uint8)
    whole = sheet([Column("one", pictures), Column("other", 255 - pictures)], across=2)
    assert whole.shape == (2 * MARGIN + LABEL + 2 * 144 + GAP, 2 * MARGIN + 2 * (2 * 96 + 2) + 2 * GAP, 3)
    top, left = MARGIN + LABEL, MARGIN
    assert np.array_equal(whole[top : top + 144 : 2, left : left + 96 : 2], pictures[0])
    assert np.array_equal(whole[top : top + 144 : 2, left + 98 : left + 98 + 96 : 2], 255 - pictures[0])
    below = top + 144 + GAP
    assert np.array_equal(whole[below : below + 144 : 2, left : left + 96 : 2], pictures[2])
