"""The choices of the config group `data` that are videos: a folder of them, and how a run cuts and batches it."""

from typing import Any

from signaltok.data.clips import FixedClips, RandomClips
from signaltok.data.signal_data import SignalData
from signaltok.data.split import SPLITS, Split, check_split
from signaltok.data.video_source import VideoFolder


class VideoFolderData(SignalData):
    """A folder of videos; root, split, frame_rate, resize and cache_megabytes as in VideoFolder.

    frames: of a training clip; size: side of its square crop, None for whole frames; mirrored: whether half of them
    are. eval_frames: of the clips of an evaluation, which are whole frames. The rest as in SignalData.
    """

    channels: int = 3

    def __init__(
        self,
        *,
        root: str,
        split: str,
        frame_rate: int,
        resize: int | None,
        cache_megabytes: int,
        frames: int,
        size: int | None,
        mirrored: bool,
        eval_frames: int,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, num_workers=num_workers)
        for name, value in (("frames", frames), ("eval_frames", eval_frames), ("size", 1 if size is None else size)):
            if value < 1:
                raise ValueError(f"data.{name} is {value}; it must be 1 or more")
        self.source = VideoFolder(
            root=root, split=split, frame_rate=frame_rate, resize=resize, cache_megabytes=cache_megabytes
        )
        self.sample_rate = frame_rate
        self.frames, self.size, self.mirrored, self.eval_frames = frames, size, mirrored, eval_frames

    def train_set(self, seed: int) -> RandomClips:
        """The endless, numbered training samples of a seed."""
        return RandomClips(
            source=self.source, split="train", frames=self.frames, size=self.size, mirrored=self.mirrored, seed=seed
        )

    def eval_set(self, split: Split) -> FixedClips:
        """The fixed clips of a split."""
        check_split(split)
        return FixedClips(source=self.source, split=split, frames=self.eval_frames)

    def describe(self) -> dict[str, Any]:
        """See SignalData."""
        description = self.source.describe()
        videos = description["videos"]
        return description | {
            "frames": self.frames,
            "size": self.size,
            "mirrored": self.mirrored,
            "evaluation": f"whole frames, in clips of {self.eval_frames}, none left out",
            "eval_items": {name: len(self.eval_set(name)) for name in SPLITS[1:] if videos[name]},
        }
