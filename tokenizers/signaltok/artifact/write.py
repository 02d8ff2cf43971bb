"""Writing the exported folder: atomic, plain, complete."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from signaltok.artifact import layout
from signaltok.artifact.card import card_text
from signaltok.artifact.describe import describe
from signaltok.files import atomic_file, atomic_folder
from signaltok.layers.weight_norm import folded, folded_description
from signaltok.types.token_stack import WHOLE, Lead


def write_tokenizer(
    tokenizer: layout.Exportable,
    out: Path,
    *,
    card: dict[str, Any],
    counts: tuple[Tensor, ...] | None,
    samples: dict[str, bytes] | None,
) -> Path:
    """Write the folder `out`; one that is there already is replaced if it is an exported tokenizer.

    card: what was measured and how it was made, for the README. counts: int64 [K] a level, how often the validation
    split hits each code. samples: files by name.
    Raises ValueError where something else stands at `out`, OSError where it cannot be written.
    """
    check_target(out)
    description = folded_description(describe(tokenizer))
    weights = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in folded(tokenizer.state_dict()).items()
        if not name.endswith(layout.TRAINING_ONLY)
    }
    modality = layout.MODALITIES[tokenizer.encoder.axes]
    sizes = tokenizer.quantizer.codebook_sizes
    with atomic_folder(out) as folder:
        (folder / layout.MODEL).write_bytes(save(weights))
        (folder / layout.CODEBOOKS).write_bytes(save(codebook_tensors(tokenizer, counts)))
        config = {
            "format_version": layout.FORMAT_VERSION,
            "modality": modality,
            "channels": tokenizer.encoder.channels,
            "value_range": list(tokenizer.value_range),
            "size_rule": RUNS_RULE if tokenizer.collapses else size_rule(tokenizer.encoder.tokens, tokenizer.lead),
            **({"runs": True} if tokenizer.collapses else {}),
            "sequence_length": tokenizer.encoder.tokens,
            "block": tokenizer.block,
            **({} if tokenizer.sample_rate is None else {"sample_rate": tokenizer.sample_rate}),
            "codebook_sizes": list(sizes),
            "strides": [list(stride) for stride in tokenizer.strides],
            **_shares(tokenizer),
            **({} if tokenizer.lead is None else {"lead": list(tokenizer.lead)}),
            "fingerprint": layout.fingerprint(description, weights),
            "files": {name: layout.file_hash(folder / name) for name in (layout.MODEL, layout.CODEBOOKS)},
            "metrics": card.get("metrics", {}),
            "tokenizer": description,
        }
        (folder / layout.CONFIG).write_text(json.dumps(config, indent=2) + "\n")
        text = json.dumps(layout.vocabulary(config).to_json(), indent=2)
        (folder / layout.VOCABULARY).write_text(text + "\n")
        (folder / layout.CARD).write_text(card_text(config, card))
        if samples:
            _write_samples(folder / layout.SAMPLES, samples)
    return out


RUNS_RULE = "as many codes as runs of a path of ceil(size / stride) cells has, blanks left out; any size"


def size_rule(tokens: int | None, lead: Lead | None) -> str:
    """How many codes a level has, in words."""
    if lead is not None:
        return f"grid = ceil((size + lead) / stride) on each axis, lead {list(lead)}; any size"
    if tokens is None:
        return "grid = ceil(size / stride) on each axis; any size"
    return f"ceil({tokens} / stride) codes of every signal, one axis; any size"


def write_codebooks(tokenizer: layout.Exportable, out: Path, counts: tuple[Tensor, ...] | None) -> Path:
    """Write codebooks.safetensors alone into the folder `out`."""
    path = out / layout.CODEBOOKS
    with atomic_file(path) as temporary:
        temporary.write_bytes(save(codebook_tensors(tokenizer, counts)))
    return path


def codebook_tensors(tokenizer: layout.Exportable, counts: tuple[Tensor, ...] | None) -> dict[str, Tensor]:
    """searched.q, decoded.q and counts.q for every level that has them."""
    tensors: dict[str, Tensor] = {}
    for level, vectors in enumerate(tokenizer.quantizer.code_vectors()):
        tensors[f"searched.{level}"] = vectors.searched.detach().cpu().contiguous().clone()
        tensors[f"decoded.{level}"] = vectors.decoded.detach().cpu().contiguous().clone()
    sizes = tokenizer.quantizer.codebook_sizes
    for level, hits in enumerate(counts or ()):
        if len(hits) != sizes[level]:
            raise ValueError(f"counts of level {level} has {len(hits)} entries, but its codebook has {sizes[level]}")
        tensors[f"counts.{level}"] = hits.detach().cpu().contiguous().clone()
    return tensors


def check_target(out: Path) -> None:
    """Raise ValueError where `out` exists and is not an exported tokenizer."""
    if out.exists() and not (out / layout.CONFIG).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and is not an exported tokenizer; give a new folder")


def _shares(tokenizer: layout.Exportable) -> dict[str, list[list[int]]]:
    """The entry "shares" of the config, where a level has a grid that no whole stride gives."""
    shares = tokenizer.shares
    return {} if all(share == WHOLE for share in shares) else {"shares": [list(share) for share in shares]}


def _write_samples(folder: Path, samples: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, content in samples.items():
        (folder / name).write_bytes(content)
