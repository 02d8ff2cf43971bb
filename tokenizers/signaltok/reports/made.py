"""What a language model has made, and the rules that it passed: files in a run's folder, and sections of its page."""

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from signaltok.files import atomic_folder, read_json
from signaltok.language.made import Made
from signaltok.reports.pictures import png

SAMPLES, MADE, PROOF = "samples", "made.json", "proof.json"
LEAST_SIDE = 128  # pixels; smaller pictures are enlarged by whole factors


def save_made(run_dir: Path, made: Sequence[Made]) -> None:
    """run_dir/samples, whole or not at all: NN_STREAM.png or .flac, and made.json with what stood before each."""
    with atomic_folder(run_dir / SAMPLES) as folder:
        told = []
        for number, sample in enumerate(made):
            name = f"{number:02d}_{sample.stream}" + (".png" if sample.sample_rate is None else ".flac")
            if sample.sample_rate is None:
                picture = sample.values.transpose(1, 2, 0)
                picture = picture[:, :, 0] if picture.shape[2] == 1 else picture
                Image.fromarray(np.ascontiguousarray(picture)).save(folder / name)
            else:
                soundfile.write(
                    folder / name, sample.values.T, sample.sample_rate, format="FLAC", subtype="PCM_16"
                )  # fmt: skip
            told.append({"file": name, "stream": sample.stream, "text": sample.text})
        (folder / MADE).write_text(json.dumps({"samples": told}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def made_sections(run_dir: Path) -> list[tuple[str, str, str]]:
    """(title, note, body) of the sections of a page; none where the run made nothing. ValueError for a damaged file."""
    sections = []
    proof = read_json(run_dir / PROOF)
    if proof is not None:
        sections.append(("Rules", "What a language model on the stream has to show.", _rules(proof)))
    made = read_json(run_dir / SAMPLES / MADE)
    if made is not None and made.get("samples"):
        cards = "".join(_card(run_dir / SAMPLES, entry) for entry in made["samples"])
        note = "Drawn among the ids that the grammar allows, and decoded. A text stood before the codes."
        sections.append(("Made by the model", note, f'<div class="samples">\n{cards}</div>'))
    return sections


def _rules(proof: dict[str, Any]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{escape(rule)}</th><td>{"holds" if found["passed"] else "does not hold"}</td>'
        f'<td class="meaning">{escape(str(found["words"]))}</td></tr>'
        for rule, found in proof.items()
    )
    return f'<div class="card scroll"><table>\n<tbody>\n{rows}\n</tbody></table></div>'


def _card(folder: Path, entry: dict[str, Any]) -> str:
    path = folder / str(entry["file"])
    if not path.is_file():
        raise ValueError(f"there is no {path}, though {MADE} names it; run the evaluation again")
    text = "" if entry["text"] is None else f"<span>{escape(str(entry['text']))}</span>"
    if path.suffix == ".png":
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        factor = max(1, -(-LEAST_SIDE // min(pixels.shape[:2])))
        enlarged = png(pixels.repeat(factor, 0).repeat(factor, 1))
        shown = f'<img class="pixels" alt="{escape(entry["stream"])}" src="data:image/png;base64,{_base64(enlarged)}">'
    else:
        data = _base64(path.read_bytes())
        shown = f'<audio controls preload="metadata" src="data:audio/flac;base64,{data}"></audio>'
    return f'<figure class="card sample">{shown}<figcaption>{text or escape(entry["stream"])}</figcaption></figure>\n'


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
