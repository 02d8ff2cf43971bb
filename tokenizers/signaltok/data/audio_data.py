"""Training and evaluation sets of sounds."""

from typing import Any

from signaltok.data.audio_source import AudioSource
from signaltok.data.segments import RandomSegments, Windows
from signaltok.data.signal_data import SignalData
from signaltok.data.split import SPLITS, Split, check_split


class AudioData(SignalData):
    """A source of sounds and how a run cuts and batches it.

    segment_seconds: of training items; a shorter file is padded and what is padded is masked. eval_seconds: files up
    to so long are evaluated whole, longer ones in windows of it. The rest as in SignalData.
    """

    def __init__(
        self,
        *,
        source: AudioSource,
        segment_seconds: float,
        eval_seconds: float,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, num_workers=num_workers)
        self.source = source
        self.sample_rate, self.channels = source.sample_rate, source.channels
        self.segment, self.window = (
            self._samples(name, value)
            for name, value in (("segment_seconds", segment_seconds), ("eval_seconds", eval_seconds))
        )
        self.segment_seconds, self.eval_seconds = segment_seconds, eval_seconds

    def _samples(self, name: str, seconds: float) -> int:
        samples = round(seconds * self.source.sample_rate)
        if samples < 1:
            raise ValueError(f"data.{name} is {seconds}; it must be a sample or more")
        return samples

    def examine(self) -> None:
        """See SignalData. Of train nothing is read, as what turns out to be unreadable there is replaced."""
        self.source.examine(SPLITS[1:])

    def train_set(self, seed: int) -> RandomSegments:
        """The endless, numbered training samples of a seed."""
        return RandomSegments(source=self.source, split="train", size=self.segment, seed=seed)

    def eval_set(self, split: Split) -> Windows:
        """The files of a split, long ones in windows."""
        check_split(split)
        return Windows(source=self.source, split=split, size=self.window)

    def describe(self) -> dict[str, Any]:
        """See SignalData."""
        description = self.source.describe()
        files = description["files"]
        return description | {
            "segment_seconds": self.segment_seconds,
            "evaluation": f"whole files; those longer than {self.eval_seconds:g} s in windows of it, none left out",
            "eval_items": {name: len(self.eval_set(name)) for name in SPLITS[1:] if files[name]},
        }
