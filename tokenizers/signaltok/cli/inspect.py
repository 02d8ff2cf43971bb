"""Show what a run, an exported tokenizer, a token store or an experiment of configs/ holds."""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, bincount, from_numpy, int64, zeros

from signaltok.artifact import layout
from signaltok.artifact.card import rate_of
from signaltok.artifact.read import read_config, read_tensors
from signaltok.cli import verify
from signaltok.cli.console import say
from signaltok.cli.locate import EXPORTED, is_run
from signaltok.cli.spoken import SPOKEN
from signaltok.files import read_json
from signaltok.metrics.codes import summarize_counts
from signaltok.store.index import is_store, read_store
from signaltok.store.plan import Item
from signaltok.store.verify import verify_store

COUNTED = 2**24  # beyond so many codes a level, usage is not counted code by code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok inspect` takes."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a run, an exported tokenizer, a token store, or experiment/NAME"
    )
    verify.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print one table. Every file that is looked at is checked on the way."""
    path = options.path
    if options.verify and not (path.is_dir() and is_store(path)):
        raise ValueError(f"{path} is no token store; --verify is for one")
    if path.parts[:1] == ("experiment",):
        from signaltok.cli.inspect_experiment import rows_of  # here, as it needs Hydra and Lightning

        rows = rows_of("/".join(path.parts[1:]))
    elif not path.is_dir():
        raise ValueError(f"there is no folder {path}; give a run, an exported tokenizer or a token store")
    elif (path / layout.CONFIG).is_file():
        rows = _tokenizer_rows(path)
    elif is_store(path):
        rows = _store_rows(path, options)
    elif is_run(path):
        rows = _run_rows(path)
    else:
        raise ValueError(f"{path} is neither a run, nor an exported tokenizer, nor a token store")
    table = Table(title=str(path), title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    say(table)
    return 0


def count_rows(counts: Iterable[Tensor]) -> list[tuple[str, str]]:
    """Usage, perplexity and dead codes a level, with the number of tokens seen beside them."""
    rows = []
    for level, hits in enumerate(counts):
        if not int(hits.sum()):
            rows.append((f"level {level}", "no tokens seen"))
            continue
        numbers = summarize_counts((hits,), signal_positions=1)
        text = (
            f"usage {numbers['usage']:.1%}, perplexity {numbers['perplexity']:.1f}, {numbers['dead']:.0f} dead of "
            f"{len(hits)}, {numbers['entropy']:.3f} bits a token, {numbers['tokens']:.0f} tokens seen"
        )
        rows.append((f"level {level}", text))
    return rows


def _shape_rows(content: dict[str, Any]) -> list[tuple[str, str]]:
    sizes, strides = content["codebook_sizes"], content["strides"]
    low, high = content["value_range"]
    rows = [
        ("fingerprint", content["fingerprint"]),
        ("modality", content["modality"]),
        ("value range", f"{low:g} to {high:g}"),
    ]
    if not sizes:
        return [*rows, ("codes", "none: continuous tokens")]
    rate, unit = rate_of(content)
    if content.get("sequence_length") is not None:
        rows.append(("tokens a signal", f"{content['sequence_length']} of every {unit}, whatever its size"))
    return [
        *rows,
        ("codebook sizes", ", ".join(map(str, sizes))),
        ("strides", ", ".join("×".join(map(str, stride)) for stride in strides)),
        (f"bits per {unit}", f"{rate:.4f}"),
    ]


def _tokenizer_rows(path: Path) -> list[tuple[str, str]]:
    config = read_config(path)
    weights = read_tensors(path, layout.MODEL, config)
    books = read_tensors(path, layout.CODEBOOKS, config)
    parts = config["tokenizer"]["arguments"]
    rows = [("kind", f"exported tokenizer, format version {config['format_version']}"), *_shape_rows(config)]
    rows += [
        (room, parts[room]["class"].rpartition(".")[2]) for room in ("encoder", "quantizer", "decoder") if room in parts
    ]
    rows.append(("parameters", f"{sum(tensor.numel() for tensor in weights.values()):,}"))
    names = [f"counts.{level}" for level in range(len(config["codebook_sizes"]))]
    return rows + count_rows([books[name] for name in names if name in books])


def _store_rows(path: Path, options: argparse.Namespace) -> list[tuple[str, str]]:
    store = read_store(path)
    sizes = store.header.codebook_sizes
    counts = [zeros(size if size <= COUNTED else 0, dtype=int64) for size in sizes]
    pixels = 0

    def count(item: Item) -> None:
        nonlocal pixels
        pixels += math.prod(item.signal_size)
        for hits, codes in zip(counts, item.levels, strict=True):
            if len(hits):
                hits += bincount(from_numpy(codes.ravel().astype("int64")), minlength=len(hits))

    if options.verify:
        sample = verify.Sample(len(store), options.sample)

        def count_and_sample(item: Item) -> None:
            count(item)
            sample.see(item)

        verify_store(path, seen=count_and_sample)
        verified = [("verified", f"hashes, ranges, counts, keys, index; {verify.encode_again(store, sample, options)}")]
    else:
        verified = []
        for item in store:
            count(item)
    rows = [("kind", "token store"), *verified, *_shape_rows(store.header.to_json())]
    if store.header.runs and store.header.sample_rate is not None:
        rows.append(("tokens a second", f"{sum(store.tokens) * store.header.sample_rate / max(1, pixels):.2f}"))
    if (path / SPOKEN).is_file():
        rows.append(("what is said", str(path / SPOKEN)))
    rows += [("items", str(len(store))), ("tokens", ", ".join(map(str, store.tokens)))]
    rows += [("shards", f"{len(store.shards)}, every hash holds"), ("signal positions", str(pixels))]
    rows += count_rows([hits for hits in counts if len(hits)])
    rows += [("failures", str(len(store.failures)))]
    return rows + [(f"  {failure.key}", failure.reason) for failure in store.failures]


def _run_rows(path: Path) -> list[tuple[str, str]]:
    rows = [("kind", "training run")]
    exported = path / EXPORTED
    if (exported / layout.CONFIG).is_file():
        rows += [("exported", str(exported)), *_shape_rows(read_config(exported))]
    else:
        rows.append(("exported", f"not yet: signaltok export {path}"))
    checkpoints = sorted(file.name for file in (path / "checkpoints").glob("*.ckpt"))
    rows.append(("checkpoints", ", ".join(checkpoints) or "none"))
    if (path / "code_counts.safetensors").is_file():
        rows += count_rows(_run_counts(path / "code_counts.safetensors"))
    rows += _metric_rows(read_json(path / "summary.json") or {})
    if (path / "report.html").is_file():
        rows.append(("report", str(path / "report.html")))
    return rows


def _run_counts(path: Path) -> list[Tensor]:
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return [tensors[name] for name in (f"counts.{level}" for level in range(len(tensors))) if name in tensors]


def _metric_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, f"{value:.6g}") for name, value in sorted(summary.items()) if isinstance(value, int | float)]
