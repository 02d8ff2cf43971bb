"""What `signaltok inspect experiment/NAME` shows: the parts of an experiment at its size, built without memory."""

import math
from typing import Any

from torch import nn

from signaltok.cli.list import experiments_folder, read_notes
from signaltok.tokenizer import Tokenizer
from signaltok.training.experiment import built_on_meta, composed_experiment
from signaltok.types.token_stack import grid_size


def rows_of(name: str) -> list[tuple[str, str]]:
    """Name and text of each row. Raises ValueError where there is no such experiment."""
    folder = experiments_folder()
    if folder is None:
        raise ValueError("there is no configs/experiment here; run this in the project's folder")
    settings = composed_experiment(folder.parent, name)
    if settings["language_model"] is not None:
        return _language_rows(settings, read_notes(folder / f"{name}.yaml").get("paper", ""))
    tokenizer = built_on_meta(settings)
    paper = read_notes(folder / f"{name}.yaml").get("paper", "")
    rows = [("kind", "experiment, built without memory"), ("paper", paper)]
    for room in ("encoder", "quantizer", "decoder"):
        part = getattr(tokenizer, room)
        rows.append((room, f"{type(part).__name__}, {_parameters(part):,} parameters"))
    rows.append(("parameters", f"{_parameters(tokenizer):,}"))
    size = _size(settings["data"], tokenizer)
    rate = tokenizer.sample_rate if tokenizer.encoder.axes == 1 else None
    rows.append(("signal", _words(size) if rate is None else _seconds(size[0], rate)))
    sizes = tokenizer.quantizer.codebook_sizes
    if not sizes:
        return [*rows, ("codes", "none: continuous tokens")]
    extent = size if tokenizer.encoder.tokens is None else (tokenizer.encoder.tokens,)
    rules = zip(tokenizer.strides, tokenizer.shares, strict=True)
    grids = [grid_size(extent, *rule, tokenizer.lead) for rule in rules]
    rows.append(("token grids", ", ".join(_words(grid) for grid in grids)))
    rows.append(("codebook sizes", ", ".join(f"{number:,}" for number in sizes)))
    if rate is not None:
        rates = [rate / stride for (stride,) in tokenizer.strides]
        bits = sum(rate * math.log2(count) for rate, count in zip(rates, sizes, strict=True))
        rows.append(("frames a second", ", ".join(f"{rate:g}" for rate in rates)))
        rows.append(("bitrate", f"{bits / 1000:.2f} kb/s of all levels"))
    vectors = [tuple(level.searched.shape) for level in tokenizer.quantizer.code_vectors()]
    return [*rows, ("codebooks", ", ".join(f"{k:,} × {d}" for k, d in vectors) or "no table")]


def _language_rows(settings: dict[str, Any], paper: str) -> list[tuple[str, str]]:
    """Of a language model, whose vocabulary, and with it its parameters, follow from the stores it is given."""
    model = dict(settings["language_model"])
    kind = model.pop("_target_").rpartition(".")[2]
    shape = ", ".join(f"{name} {value}" for name, value in model.items())
    stores = settings["data"]["store"]
    return [
        ("kind", "experiment, a language model on token stores"),
        ("paper", paper),
        ("language model", f"{kind}: {shape}"),
        ("stores", stores if isinstance(stores, str) else ", ".join(stores)),
    ]


def _size(data: dict[str, Any], tokenizer: Tokenizer) -> tuple[int, ...]:
    """Extents of a training item."""
    if tokenizer.encoder.axes == 3:
        return (data["frames"], data["size"], data["size"])
    if tokenizer.sample_rate is None:
        return (data["size"],) * tokenizer.encoder.axes
    return (round(data["segment_seconds"] * tokenizer.sample_rate),)


def _words(size: tuple[int, ...]) -> str:
    return "×".join(str(extent) for extent in size)


def _seconds(samples: int, rate: int) -> str:
    return f"{samples:,} samples, {samples / rate:g} s"


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
