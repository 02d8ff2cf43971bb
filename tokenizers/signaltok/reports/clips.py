"""Videos of a run: original, reconstruction and token map side by side as one clip that plays."""

import base64
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from signaltok.data.write_video import write_video
from signaltok.files import read_json, write_text
from signaltok.metrics.kept import Clips
from signaltok.reports.pictures import code_colours

TABLE = "clips.json"
GAP = 4  # pixels between the pictures
SIDE = 180  # a frame is enlarged by whole factors towards this height


@dataclass(frozen=True)
class Clip:
    """A file that plays, and what is known of it. psnr: in dB, None where both are the same."""

    file: bytes
    key: str
    seconds: float
    psnr: float | None


def write_clips(folder: Path, clips: Clips) -> None:
    """NN.mp4 a clip, and a table of what they show."""
    rows = []
    for number, key in enumerate(clips.keys):
        original, reconstruction = (
            item.numpy().transpose(1, 2, 3, 0) for item in (clips.originals[number], clips.reconstructions[number])
        )
        codes = clips.codes[number]
        frames = side_by_side(original, reconstruction, None if codes is None else codes.numpy())
        write_video(frames, Fraction(clips.frame_rate), folder / _name(number), lossless=False)
        error = float(np.square(original.astype(np.float64) - reconstruction).mean())
        rows.append(
            {
                "key": key,
                "seconds": len(original) / clips.frame_rate,
                "psnr": None if error == 0 else round(10 * float(np.log10(255**2 / error)), 2),
            }
        )
    write_text(folder / TABLE, json.dumps({"clips": rows}, indent=2) + "\n")


def read_clips(folder: Path) -> list[Clip]:
    """What write_clips wrote; empty where there is nothing. ValueError where a file is missing."""
    found = []
    for number, row in enumerate((read_json(folder / TABLE) or {}).get("clips", [])):
        path = folder / _name(number)
        if not path.is_file():
            raise ValueError(f"there is no {path}, which {TABLE} names; evaluate the run again")
        found.append(Clip(path.read_bytes(), str(row["key"]), float(row["seconds"]), row["psnr"]))
    return found


def side_by_side(original: np.ndarray, reconstruction: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    """[t, h, w, 3] uint8 of both, and of the codes [t, h cells, w cells] each frame's cells in colours.

    Frames are enlarged by an even factor, so that any size can be written.
    """
    frames, height, width, _ = original.shape
    factor = 2 * max(1, round(SIDE / height / 2))
    shown = [np.repeat(np.repeat(video, factor, axis=1), factor, axis=2) for video in (original, reconstruction)]
    if codes is not None:
        rows = np.arange(height * factor) * codes.shape[1] // (height * factor)
        columns = np.arange(width * factor) * codes.shape[2] // (width * factor)
        shown.append(code_colours(codes)[:, rows][:, :, columns])
    gap = np.full((frames, height * factor, GAP, 3), 255, np.uint8)
    return np.concatenate([part for video in shown for part in (gap, video)][1:], axis=2)


def stills(clips: Clips, limit: int) -> np.ndarray:
    """One picture: of the first `limit` clips the first, middle and last frame, originals above reconstructions."""
    rows = []
    size = clips.originals[0].shape[2:]
    for pair in zip(clips.originals[:limit], clips.reconstructions[:limit], strict=True):
        for video in pair:
            places = [0, (video.shape[1] - 1) // 2, video.shape[1] - 1]
            if video.shape[2:] == size:
                rows.append(np.concatenate(list(video[:, places].numpy().transpose(1, 2, 3, 0)), axis=1))
    return np.concatenate(rows, axis=0)


def clip_cards(clips: list[Clip], budget: int) -> str:
    """A card a clip, as many as fit into a budget in bytes (at least one)."""
    cards, size = [], 0
    for clip in clips:
        size += len(clip.file)
        if cards and size > budget:
            break
        data = base64.b64encode(clip.file).decode()
        decibel = "identical" if clip.psnr is None else f"{clip.psnr:.1f} dB"
        cards.append(
            '<figure class="card sample"><video controls loop muted autoplay playsinline style="width:100%" '
            f'src="data:video/mp4;base64,{data}"></video>'
            f"<figcaption><span>{clip.seconds:.1f} s</span><span>reconstruction, {decibel}</span></figcaption>"
            "</figure>\n"
        )
    return f'<div class="samples clips">\n{"".join(cards)}</div>'


def _name(number: int) -> str:
    return f"{number:02d}.mp4"
