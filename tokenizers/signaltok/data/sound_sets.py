"""The choices of the config group `data` that are sounds: one class a kind of set, each a source plus AudioData."""

from abc import abstractmethod
from pathlib import Path

from signaltok.data.audio_data import AudioData
from signaltok.data.audio_folder import AudioFolder
from signaltok.data.audio_source import AudioFiles
from signaltok.data.split import Split
from signaltok.data.torchaudio_sets import librispeech, lj_speech, speech_commands


class AudioFolderData(AudioData):
    """A folder of audio; root, split, sample_rate, channels, resample as in AudioFolder, the rest as in AudioData."""

    def __init__(
        self,
        *,
        root: str,
        split: str,
        sample_rate: int,
        channels: int,
        resample: bool,
        segment_seconds: float,
        eval_seconds: float,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__(
            source=AudioFolder(root=root, split=split, sample_rate=sample_rate, channels=channels, resample=resample),
            segment_seconds=segment_seconds,
            eval_seconds=eval_seconds,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
        )


class LibriSpeechData(AudioData):
    """LibriSpeech under root; train, val, test: names of the parts that make each split. The rest as in AudioData."""

    def __init__(
        self,
        *,
        root: str,
        train: list[str],
        val: list[str],
        test: list[str],
        sample_rate: int,
        channels: int,
        resample: bool,
        segment_seconds: float,
        eval_seconds: float,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        subsets: dict[Split, list[str]] = {"train": train, "val": val, "test": test}
        folder, files, rule = librispeech(root, subsets)
        super().__init__(
            source=AudioFiles(
                root=folder, files=files, split_rule=rule, sample_rate=sample_rate, channels=channels, resample=resample
            ),
            segment_seconds=segment_seconds,
            eval_seconds=eval_seconds,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
        )


class _IndexedSounds(AudioData):
    """A set under root that says itself which files it has and how they are split. The rest as in AudioData."""

    def __init__(
        self,
        *,
        root: str,
        sample_rate: int,
        channels: int,
        resample: bool,
        segment_seconds: float,
        eval_seconds: float,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        folder, files, rule = self._index(root)
        super().__init__(
            source=AudioFiles(
                root=folder, files=files, split_rule=rule, sample_rate=sample_rate, channels=channels, resample=resample
            ),
            segment_seconds=segment_seconds,
            eval_seconds=eval_seconds,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
        )

    @staticmethod
    @abstractmethod
    def _index(root: str) -> tuple[Path, dict[Split, list[str]], str]:
        """Folder, keys of each split and the rule."""


class SpeechCommandsData(_IndexedSounds):
    """Speech Commands under root. The rest as in AudioData."""

    _index = staticmethod(speech_commands)


class LJSpeechData(_IndexedSounds):
    """LJ Speech under root. The rest as in AudioData."""

    _index = staticmethod(lj_speech)
