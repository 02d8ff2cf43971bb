"""From a run folder to a tokenizer folder: what `signaltok export` and a logger of finished runs share.

Nothing of Lightning or Hydra is imported here, so that the command starts at once.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from signaltok.artifact.write import write_tokenizer
from signaltok.files import read_json
from signaltok.tokenizer import Tokenizer

SAMPLE_NAMES = ("originals", "reconstructions")


def write_run(tokenizer: Tokenizer, folder: Path, out: Path, *, checkpoint: str) -> Path:
    """Export the tokenizer of a run, with the card, code counts and samples that the run folder has, to out.

    checkpoint: "best" or "last", whose weights these are, for the card. Raises ValueError where a file of the run is
    damaged or something else stands at out, OSError where it cannot be written.
    """
    return write_tokenizer(
        tokenizer,
        out,
        card=_card(folder, checkpoint),
        counts=read_counts(folder, tokenizer),
        samples=sample_files(folder),
    )


def read_counts(folder: Path, tokenizer: Tokenizer) -> tuple[Tensor, ...] | None:
    """Hits int64 [K] of each code on the validation split, a level; None where the run has none."""
    levels = len(tokenizer.quantizer.codebook_sizes)
    path = folder / "code_counts.safetensors"
    if not levels or not path.is_file():
        return None
    tensors = _read_tensors(path)
    missing = [f"counts.{level}" for level in range(levels) if f"counts.{level}" not in tensors]
    if missing:
        raise ValueError(f"{path} has no {', '.join(missing)}; evaluate the run again")
    return tuple(tensors[f"counts.{level}"] for level in range(levels))


def read_samples(folder: Path) -> dict[str, Tensor] | None:
    """originals and reconstructions, uint8 [n, c, h, w]; None where the run has none."""
    path = folder / "samples" / "samples.safetensors"
    if not path.is_file():
        return None
    tensors = _read_tensors(path)
    return {name: tensors[name] for name in SAMPLE_NAMES if name in tensors}


def sample_files(folder: Path) -> dict[str, bytes] | None:
    """The samples of a run as files by name: PNG of pictures, the run's own FLAC of sounds, MP4 of videos; or None."""
    pictures = read_samples(folder)
    if pictures is None:
        played = sorted(path for path in (folder / "samples").glob("*") if path.suffix in (".flac", ".mp4"))
        return {path.name: path.read_bytes() for path in played} or None
    return {
        f"{number:02d}_{name}.png": _png(picture)
        for name, group in pictures.items()
        for number, picture in enumerate(group)
    }


def _png(picture: Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).numpy())).save(file, format="PNG")
    return file.getvalue()


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}; evaluate the run again") from None


def _card(folder: Path, checkpoint: str) -> dict[str, Any]:
    """What the card says of the run, as far as the run has recorded it."""
    provenance, summary = (read_json(folder / name) or {} for name in ("provenance.json", "summary.json"))
    card: dict[str, Any] = {name: provenance[name] for name in ("command", "data", "licence") if name in provenance}
    metrics = {name: value for name, value in summary.items() if isinstance(value, int | float)}
    if metrics:
        card["metrics"] = metrics
        card["protocol"] = f"Averaged weights of the {checkpoint} checkpoint; see the run's report.html."
    return card
