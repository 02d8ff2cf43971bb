"""Videos of a report: frames beside one another, the map of each frame the codes of its own cell."""

import av
import numpy as np
import torch

from signaltok.metrics.kept import CLIP_SECONDS, ClipKeeper, Clips
from signaltok.reports.clips import GAP, clip_cards, read_clips, side_by_side, write_clips
from signaltok.reports.pictures import code_colours
from signaltok.types.token_stack import TokenStack, grid_size

RATE = 5


def kept(frames: int) -> Clips:
    """One clip of a tokenizer of 4 x 8 x 8; a code is the number of its cell in time, 100 more to the right."""
    grid = grid_size((frames, 8, 16), (4, 8, 8), lead=(3, 0, 0))
    codes = torch.arange(grid[0])[:, None, None] + torch.tensor([0, 100])
    signal = torch.zeros(1, 3, frames, 8, 16)
    stack = TokenStack(
        levels=(codes[None],), codebook_sizes=(200,), strides=((4, 8, 8),), signal_size=(frames, 8, 16),
        lengths=(None,), lead=(3, 0, 0),
    )  # fmt: skip
    keeper = ClipKeeper((-1.0, 1.0), RATE, stride=4, lead=3)
    keeper.add(signal, signal + 0.5, None, stack, ("clip",))
    found = keeper.clips()
    assert found is not None
    return found


def test_every_frame_has_the_codes_of_its_own_cell_also_where_the_last_one_is_cut_short():
    (codes,) = kept(6).codes
    assert codes[:, 0, 0].tolist() == [0, 1, 1, 1, 1, 2] and codes[:, 0, 1].tolist() == [100, 101, 101, 101, 101, 102]
    long = kept(CLIP_SECONDS * RATE + 7)
    assert long.originals[0].shape[1] == len(long.codes[0]) == CLIP_SECONDS * RATE
    assert long.codes[0][-1, 0, 0] == (CLIP_SECONDS * RATE - 1 + 3) // 4


def test_original_reconstruction_and_map_stand_side_by_side_and_play(tmp_path):
    clips = kept(6)
    one, other = (video[0].numpy().transpose(1, 2, 3, 0) for video in (clips.originals, clips.reconstructions))
    frames = side_by_side(one, other, clips.codes[0].numpy())
    factor = frames.shape[1] // 8
    assert frames.shape == (6, 8 * factor, 3 * 16 * factor + 2 * GAP, 3)
    left, right = 2 * (16 * factor + GAP), 2 * (16 * factor + GAP) + 8 * factor
    for frame, cell in enumerate([0, 1, 1, 1, 1, 2]):
        colours = code_colours(np.array([cell, cell + 100]))
        assert (frames[frame, :, left:right] == colours[0]).all() and (frames[frame, :, right:] == colours[1]).all()
    assert (frames[:, :, : 16 * factor] == one[0, 0, 0]).all()
    assert side_by_side(one, other, None).shape[2] == 2 * 16 * factor + GAP

    write_clips(tmp_path, clips)
    (shown,) = read_clips(tmp_path)
    assert (shown.key, shown.seconds) == ("clip", 6 / RATE) and 11 < shown.psnr < 13
    with av.open(str(tmp_path / "00.mp4")) as file:
        played = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(played) == 6 and played[0].shape == frames.shape[1:]
    assert np.abs(played[5].astype(int) - frames[5]).mean() < 12
    assert clip_cards([shown, shown], budget=1).count("<video controls") == 1
