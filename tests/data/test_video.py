"""Videos from files: which frame is seen when, whatever the file says of itself, splits by time, and bad files."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from signaltok.data.read_video import read_pieces, read_video, shown_at
from signaltok.data.video_data import VideoFolderData
from signaltok.data.video_file import frames_in_turn, read_frames, read_header
from signaltok.data.video_sound import read_sound
from signaltok.data.write_video import write_video

FILM = Path(__file__).parents[2] / "data" / "video"


def numbered(count: int, height: int = 16, width: int = 24) -> np.ndarray:
    """Frame n is grey of 10 n, brighter to the right."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    return frames + (10 * np.arange(count, dtype=np.uint8))[:, None, None, None]


def written(path: Path, moments: list[int], base: Fraction, *, turn: int = 0, key_every: int = 4) -> Path:
    """Frames shown at these ticks of base, without loss, a key frame now and then."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(1, base), options={"qp": "0", "g": str(key_every)})
        stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv444p"
        stream.codec_context.time_base = base
        if turn:
            stream.set_display_rotation(turn)
        for number, pts in enumerate(moments):
            frame = av.VideoFrame.from_ndarray(numbered(number + 1)[-1], format="rgb24")
            frame.pts, frame.time_base = pts, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def which(signal: torch.Tensor) -> list[int]:
    """The numbers of the frames."""
    return [round((float(value) + 1) * 127.5 / 10) for value in signal.mean((0, 2, 3))]


@pytest.fixture
def steady(tmp_path):
    return written(tmp_path / "steady.mp4", list(range(20)), Fraction(1, 20))


def test_frames_are_found_by_their_time_stamps_wherever_a_stretch_begins(steady):
    header = read_header(steady)
    assert len(header.times) == 20 and header.seconds == 1 and (header.height, header.width) == (16, 24)
    assert not header.sound
    for first in (0, 3, 4, 13, 19):
        frames = read_frames(steady, header.times[first : first + 3], None)
        assert [round(frame.mean() / 10) for frame in frames] == list(range(first, min(20, first + 3)))


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (20, list(range(20))),
        (None, list(range(20))),
        (10, list(range(0, 20, 2))),
        (40, [n // 2 for n in range(40)]),
        (5, [0, 4, 8, 12, 16]),
        (23.976, [int(Fraction(k * 1001, 24000) * 20) for k in range(24)]),
    ],
)
def test_a_rate_shows_what_is_seen_at_each_of_its_moments(steady, rate, expected):
    assert which(read_video(steady, frame_rate=rate)) == expected


def test_a_variable_rate_keeps_its_time_stamps(tmp_path):
    path = written(tmp_path / "variable.mkv", [0, 100, 150, 600, 610, 900], Fraction(1, 1000))
    # The last one is shown for a millisecond, too short for a frame of its own.
    assert which(read_video(path, frame_rate=10)) == [0, 1, 2, 2, 2, 2, 3, 4, 4]
    assert which(read_video(path)) == [0, 1, 2, 3, 4, 5]


def test_23976_frames_a_second_stay_in_time_over_many_frames(tmp_path):
    """Matroska rounds time stamps to milliseconds: no frame is shown twice or left out for it."""
    count = 240
    moments = [round(Fraction(n * 1001, 24)) for n in range(count)]
    header = read_header(written(tmp_path / "film.mkv", moments[:24], Fraction(1, 1000)))
    header = header._replace(times=np.array(moments), end=round(Fraction(count * 1001, 24)))
    assert shown_at(header, Fraction(24000, 1001)).tolist() == list(range(count))


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_rotated_file_is_turned_upright(tmp_path, turn):
    plain = read_video(written(tmp_path / "plain.mp4", [0, 1], Fraction(1, 10)))
    path = written(tmp_path / "turned.mp4", [0, 1], Fraction(1, 10), turn=turn)
    header = read_header(path)
    assert (header.height, header.width) == ((16, 24) if turn == 180 else (24, 16))
    assert torch.equal(read_video(path), torch.rot90(plain, turn // 90, (2, 3)))
    assert read_video(path, resize=8).shape[2:] == ((8, 12) if turn == 180 else (12, 8))


def test_a_stretch_of_seconds_and_a_size(steady):
    assert which(read_video(steady, start=0.5, seconds=0.2)) == [10, 11, 12, 13]
    assert which(read_video(steady, frame_rate=10, start=0.5)) == [10, 12, 14, 16, 18]
    assert read_video(steady, resize=8).shape == (3, 20, 8, 12)
    with pytest.raises(ValueError, match=r"is 1\.00 s long and has no frame from 2 s on within 1 s"):
        read_video(steady, start=2, seconds=1)
    with pytest.raises(ValueError, match="frame_rate is 0"):
        read_video(steady, frame_rate=0)


def test_pieces_are_the_whole(steady):
    whole = read_video(steady, frame_rate=24)
    pieces = list(read_pieces(steady, 24, 7))
    assert [piece.shape[1] for piece in pieces] == [7, 7, 7, 3] and torch.equal(torch.cat(pieces, dim=1), whole)


def test_odd_sizes_and_single_frames(tmp_path):
    frames = numbered(3, 15, 23)
    write_video(frames, Fraction(12), tmp_path / "exact.mkv", lossless=True)
    back = read_video(tmp_path / "exact.mkv")
    assert torch.equal(((back + 1) * 127.5).round().byte(), torch.from_numpy(frames).permute(3, 0, 1, 2))
    write_video(frames[:1], Fraction(12), tmp_path / "one.mp4", lossless=False)
    assert read_video(tmp_path / "one.mp4", frame_rate=12).shape == (3, 1, 15, 23)


def test_bad_files_are_named_with_the_reason(tmp_path, steady):
    whole = steady.read_bytes()
    bad = {
        "missing.mp4": None,
        "empty.mp4": b"",
        "text.mp4": b"this is no video" * 99,
        "cut.mp4": whole[: len(whole) // 2],
    }
    for name, content in bad.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"cannot read .*{name}: "):
            read_video(tmp_path / name)
    with av.open(str(tmp_path / "sound.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 16000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(ValueError, match="it has no pictures, only sound"):
        read_video(tmp_path / "sound.mp4")


def test_a_file_cut_off_behind_its_index_is_an_error_where_frames_are_missing(tmp_path):
    """The index stands at the front and promises 20 frames; the last are not there."""
    with av.open(str(tmp_path / "front.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "bgr0"
        for picture in numbered(20):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    whole = (tmp_path / "front.mkv").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    header = read_header(cut)
    assert 1 < len(header.times) < 20, "what is there counts, not what the container says"
    assert which(read_video(cut, frame_rate=20))[:5] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="of 2 frames that it lists the first 1 can be decoded"):
        list(frames_in_turn(cut, [int(header.times[0]), header.end + 50], None))
    with pytest.raises(ValueError, match="1 of the 2 frames asked for cannot be decoded"):
        read_frames(cut, [int(header.times[0]), header.end + 50], None)


def settings(root: Path, **changes):
    plain = {"split": "all", "frame_rate": 10, "resize": None, "cache_megabytes": 0, "frames": 5, "size": 8,
             "mirrored": True, "eval_frames": 4, "batch_size": 2, "eval_batch_size": 2, "num_workers": 0}  # fmt: skip
    return VideoFolderData(root=str(root), **plain | changes)


def test_the_film_is_split_by_time_and_cut_into_clips():
    data = settings(FILM, split="time", frame_rate=12, frames=9, size=64, eval_frames=17)
    described = data.describe()
    assert described["seconds"] == {"train": 342.0, "val": 50.0, "test": 58.0}
    assert described["eval_items"] == {"val": 36, "test": 41}
    (train,), (test,) = data.source.keys("train"), data.source.keys("test")
    assert (train, test) == ("big_buck_bunny.mp4@28-370", "big_buck_bunny.mp4@430-488")
    clips = data.train_set(0)
    item = clips[5]
    assert item.signal.shape == (3, 9, 64, 64) and -1 <= item.signal.min() < item.signal.max() <= 1
    assert torch.equal(item.signal, clips[5].signal) and not torch.equal(item.signal, clips[6].signal)
    last = data.eval_set("test")[40]
    assert last.key == f"{test}#680" and last.signal.shape == (3, 16, 90, 160)
    expected = read_video(FILM / "big_buck_bunny.mp4", frame_rate=12, start=430, seconds=0.25)
    assert torch.equal(data.eval_set("test")[0].signal[:, :3], expected)


def test_a_cache_changes_nothing(tmp_path, steady):
    one, other = (settings(steady.parent, cache_megabytes=size) for size in (0, 8))
    for number in range(4):
        assert torch.equal(one.train_set(3)[number].signal, other.train_set(3)[number].signal)
    assert one.fingerprint() == other.fingerprint() != settings(steady.parent, resize=9).fingerprint()


def test_unreadable_files_are_left_out_counted_and_named(tmp_path, steady, caplog):
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    data = settings(tmp_path)
    assert data.describe()["unreadable"]["files"] == 1 and "broken.mp4" in caplog.text
    assert data.source.keys("test") == ("steady.mp4",)
    steady.unlink()
    with pytest.raises(ValueError, match=r"none of the 1 videos .* broken\.mp4"):
        settings(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "names"}, "data.split is 'names'; it is one of hash, time, folders, ucf101, all"),
        ({"split": "time"}, "there is no .*splits.tsv"),
        ({"split": "ucf101"}, "there is no .*trainlist01.txt"),
        ({"frames": 0}, "data.frames is 0"),
        ({"resize": 0}, "data.resize is 0"),
        ({"cache_megabytes": -1}, "data.cache_megabytes is -1"),
        ({"frame_rate": -3}, "frame_rate is -3"),
    ],
)
def test_settings_that_cannot_be_are_named(steady, changes, message):
    with pytest.raises(ValueError, match=message):
        settings(steady.parent, **changes)


def test_videos_too_small_and_folders_without_any_are_named(tmp_path, steady):
    with pytest.raises(ValueError, match=r"steady\.mp4 has 16 x 24 pixels .* too few for crops of 17 x 17"):
        settings(tmp_path, size=17).train_set(0)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="holds no videos"):
        settings(tmp_path / "none")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("steady.mp4\t0\t1", "it must be file, first second"),
        ("steady.mp4\t0\t1\tall", "it must be file, first second"),
        ("steady.mp4\tx\t1\ttest", "are to be seconds"),
        ("steady.mp4\t1\t0.5\ttest", "is no stretch of time"),
        ("other.mp4\t0\t1\ttest", "names other.mp4, which is not among"),
        ("steady.mp4\t7\t9\ttest", r"has 1\.0 s and no frame from second 7 to 9"),
    ],
)
def test_a_table_of_scenes_that_cannot_be_is_named_with_its_line(tmp_path, steady, line, message):
    (tmp_path / "splits.tsv").write_text(line + "\n")
    with pytest.raises(ValueError, match=f"line 1 of .*{message}"):
        settings(tmp_path, split="time")


def sounding(path: Path, *, lossless: bool, late: int = 0) -> Path:
    """48 frames at 12 a second, white at frame 30; a click of 40 samples at 16 kHz when it comes, `late` samples on."""
    frames = np.zeros((48, 16, 24, 3), np.uint8)
    frames[30] = 255
    sound = np.zeros((1, 64000), np.float32)
    sound[0, 40000 + late : 40040 + late] = 0.9
    write_video(frames, 12, path, lossless=lossless, sound=(sound, 16000))
    return path


@pytest.mark.parametrize("lossless", [True, False])
def test_sound_is_heard_when_its_frame_is_seen(tmp_path, lossless):
    path = sounding(tmp_path / ("clip.mkv" if lossless else "clip.mp4"), lossless=lossless)
    flash = int(read_video(path, frame_rate=12).mean((0, 2, 3)).argmax())
    for rate in (16000, 24000):
        sound = read_sound(path, rate, 1)
        assert sound.shape == (1, 4 * rate)
        click = int(sound[0].abs().argmax())
        assert flash == 30 and abs(click / rate - flash / 12) < 0.005, "a frame lasts 0.083 s"


def test_sound_that_begins_elsewhere_than_the_pictures_is_put_where_it_belongs(tmp_path):
    with av.open(str(tmp_path / "late.mkv"), "w") as out:
        pictures, sound = out.add_stream("ffv1", rate=10), out.add_stream("pcm_s16le", rate=8000, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = 24, 16, "bgr0"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")
            frame.pts, frame.time_base = number + 5, Fraction(1, 10)
            out.mux(pictures.encode(frame))
        for start, level in ((0, 1000), (12000, 3000)):
            piece = av.AudioFrame.from_ndarray(np.full((1, 8000), level, np.int16), format="s16", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = 8000, start, Fraction(1, 8000)
            out.mux(sound.encode(piece))
        for stream in (pictures, sound):
            out.mux(stream.encode(None))
    heard = read_sound(tmp_path / "late.mkv", 8000, 2)
    assert heard.shape == (2, 16000)
    expected = torch.cat([torch.full((4000,), 1000.0), torch.zeros(4000), torch.full((8000,), 3000.0)]) / 32768
    assert torch.allclose(heard[0], expected, atol=1e-4) and torch.equal(heard[0], heard[1])


def test_a_silent_track_is_silence_and_no_track_is_an_error(tmp_path):
    write_video(
        numbered(6), 12, tmp_path / "silent.mp4", lossless=False, sound=(np.zeros((2, 8000), np.float32), 16000)
    )
    silent = read_sound(tmp_path / "silent.mp4", 16000, 1)
    assert silent.shape == (1, 8000) and not silent.any()
    write_video(numbered(6), 12, tmp_path / "mute.mp4", lossless=False)
    assert read_video(tmp_path / "mute.mp4").shape == (3, 6, 16, 24)
    with pytest.raises(ValueError, match=r"mute\.mp4: it has no sound track"):
        read_sound(tmp_path / "mute.mp4", 16000, 1)
    with pytest.raises(ValueError, match="has 2 channels of sound, and 3 are wanted"):
        read_sound(tmp_path / "silent.mp4", 16000, 3)
    with pytest.raises(ValueError, match="sound of 3 channels cannot be written"):
        write_video(numbered(2), 12, tmp_path / "x.mp4", lossless=False, sound=(np.zeros((3, 9), np.float32), 16000))


def copies(root: Path, source: Path, names: list[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(source.read_bytes())


def test_kinetics_is_split_by_its_folders(tmp_path, steady):
    copies(tmp_path / "set", steady, ["train/a/1.mp4", "train/b/2.mp4", "val/a/3.mp4", "other/4.mp4"])
    source = settings(tmp_path / "set", split="folders").source
    assert source.keys("train") == ("train/a/1.mp4", "train/b/2.mp4") and source.keys("val") == ("val/a/3.mp4",)
    with pytest.raises(ValueError, match=r"the test split of .* is empty"):
        source.keys("test")


def test_ucf101_is_split_by_its_lists_and_no_group_is_on_two_sides(tmp_path, steady):
    names = [f"Bowling/v_Bowling_g{group:02d}_c0{clip}.avi" for group in range(8, 20) for clip in (1, 2)]
    copies(tmp_path / "set", steady, names)
    (tmp_path / "set/trainlist01.txt").write_text("".join(f"{name} 1\n" for name in names[4:]))
    (tmp_path / "set/testlist01.txt").write_text("".join(f"{name}\n" for name in names[:4]))
    source = settings(tmp_path / "set", split="ucf101").source
    sides = {split: source.keys(split) for split in ("train", "val", "test")}
    assert sides["test"] == tuple(names[:4]) and sorted(sides["train"] + sides["val"]) == names[4:]
    groups = [{name.rpartition("_c")[0] for name in side} for side in sides.values()]
    assert not groups[0] & groups[1]
    (tmp_path / "set" / names[0]).unlink()
    with pytest.raises(ValueError, match=r"1 files that .*testlist01\.txt names are not in"):
        settings(tmp_path / "set", split="ucf101")
