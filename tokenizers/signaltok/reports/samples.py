"""The samples of a run: pictures, codes, and the plots beside them."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from signaltok.files import atomic_folder
from signaltok.metrics.evaluation import Evaluation
from signaltok.metrics.kept import Pictures
from signaltok.reports import plots
from signaltok.reports.clips import stills, write_clips
from signaltok.reports.neighbours import nearest_sheet, shared_sheet
from signaltok.reports.pictures import Column, channels_last, code_colours, png, sheet, token_maps
from signaltok.reports.run_files import read_curves
from signaltok.reports.sounds import spectrogram_sheet, write_sounds

SAMPLES = "samples"
TENSORS = "samples.safetensors"
TEXTS = "texts.tsv"  # what was said in an item, and what its codes say
NEAREST, SHARED = "nearest.png", "shared_codes.png"


def save_samples(run_dir: Path, evaluation: Evaluation) -> Path:
    """Write run_dir/samples, whole or not at all, and return it.

    samples.safetensors (originals and reconstructions uint8 [n, c, h, w], codes.0 int64 [n, *grid]), grid.png,
    tokens.png and usage.png where there are codes, nearest.png and shared_codes.png where texts were compared,
    texts.tsv where codes were read, curves.png where run_dir has metrics.csv. Of sounds: what reports.sounds writes,
    and spectrograms.png; of videos what reports.clips writes, and stills.png.
    """
    folder = run_dir / SAMPLES
    panels = plots.curve_panels(read_curves(run_dir / "metrics.csv"))
    with atomic_folder(folder) as temporary:
        if evaluation.pictures is not None:
            kept = evaluation.pictures
            tensors = {"originals": kept.originals.numpy(), "reconstructions": kept.reconstructions.numpy()}
            if kept.codes is not None:
                tensors["codes.0"] = kept.codes.numpy()
            save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, temporary / TENSORS)
            originals = Column("original", channels_last(tensors["originals"]))
            (temporary / "grid.png").write_bytes(png(comparison(kept, limit=len(kept.keys))))
            cells = token_maps(tensors.get("codes.0"))
            if cells is not None:
                maps = Column("codes, level 0", enlarged(code_colours(cells), originals.pictures.shape[1:3]))
                (temporary / "tokens.png").write_bytes(png(sheet([originals, maps], across=2)))
        if evaluation.sounds is not None:
            write_sounds(temporary, evaluation.sounds)
            shown = spectrogram_sheet(evaluation.sounds, limit=len(evaluation.sounds.keys))
            (temporary / "spectrograms.png").write_bytes(png(shown))
        if evaluation.clips is not None:
            write_clips(temporary, evaluation.clips)
            (temporary / "stills.png").write_bytes(png(stills(evaluation.clips, len(evaluation.clips.keys))))
        if evaluation.neighbours is not None:
            (temporary / NEAREST).write_bytes(png(nearest_sheet(evaluation.neighbours)))
            shared = shared_sheet(evaluation.neighbours)
            if shared is not None:
                (temporary / SHARED).write_bytes(png(shared))
        if evaluation.texts:
            lines = ["item\tsaid\tread", *("\t".join(row) for row in evaluation.texts)]
            (temporary / TEXTS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        if evaluation.counts:
            hits = [counts.numpy() for counts in evaluation.counts]
            (temporary / "usage.png").write_bytes(plots.png(plots.usage_figure(hits, plots.PAPER)))
        if panels:
            (temporary / "curves.png").write_bytes(plots.png(plots.curves_figure(panels, plots.PAPER)))
    return folder


def overview(evaluation: Evaluation, *, limit: int) -> np.ndarray | None:
    """One picture [h, w, 3] uint8 of the first `limit` items, originals beside reconstructions; None without items.

    Of sounds, their spectrograms; of videos, some frames.
    """
    if evaluation.sounds is not None:
        return spectrogram_sheet(evaluation.sounds, limit=limit)
    if evaluation.clips is not None:
        return stills(evaluation.clips, limit)
    return None if evaluation.pictures is None else comparison(evaluation.pictures, limit=limit)


def comparison(pictures: Pictures, *, limit: int) -> np.ndarray:
    """One picture [h, w, 3] uint8: the first `limit` originals, each with its reconstruction beside it."""
    columns = [
        Column(label, channels_last(items[:limit].numpy()))
        for label, items in (("original", pictures.originals), ("reconstruction", pictures.reconstructions))
    ]
    return sheet(columns, across=2)


def enlarged(maps: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Maps [n, h, w, 3] at another size, every position the nearest cell's."""
    rows = np.arange(size[0]) * maps.shape[1] // size[0]
    places = np.arange(size[1]) * maps.shape[2] // size[1]
    return np.ascontiguousarray(maps[:, rows][:, :, places])
