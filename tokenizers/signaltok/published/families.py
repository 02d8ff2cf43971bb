"""The families of public codecs that become tokenizers of ours, and what tells them apart."""

import importlib
from pathlib import Path

import torch

from signaltok.published.source import Source, read_source
from signaltok.tokenizer import Tokenizer

# Each has a module of its name here. How some of its tensors' names begin where a file of weights stands alone.
FAMILIES = {
    "encodec": ("encoder.model.0.conv.", "quantizer.vq."),
    "dac": ("encoder.block.0.", "quantizer.quantizers."),
    "snac": ("encoder.block.0.", "quantizer.quantizers."),
    "mimi": ("encoder_transformer.", "quantizer.rvq_first."),
}
SEED = 0  # of what the weights say nothing of, so that importing twice gives the same folder


def import_published(family: str, path: Path, block: float) -> Tokenizer:
    """The tokenizer with the weights of the public model at path (see published.source), in eval mode.

    block: seconds of the blocks in which long sounds are computed, see published.model.

    Raises ValueError in one line: for another family's weights, an option that no codec of ours holds, or tensors that
    are missing, left over or of another shape.
    """
    source = read_source(path)
    possible = _possible(source)
    if not possible:
        raise ValueError(f"{source.path} is of no family that can be imported ({', '.join(FAMILIES)})")
    if family not in possible:
        advice = "".join(f"; signaltok import {name} …" for name in sorted(possible & FAMILIES.keys()))
        raise ValueError(f"{source.path} is a model of {' or '.join(sorted(possible))}, not of {family}{advice}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return importlib.import_module(f"signaltok.published.{family}").read(source).tokenizer(block)


def _possible(source: Source) -> set[str]:
    """The families it may be of: by what its options say, else by the names of its tensors."""
    options = source.options or {}
    if "model_type" in options:
        return {str(options["model_type"])}
    for family, option in (("snac", "vq_strides"), ("dac", "n_codebooks")):
        if option in options:
            return {family}
    return {family for family, starts in FAMILIES.items() if source.has(*starts)}
