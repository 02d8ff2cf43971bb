"""Make a tokenizer folder of a training run: plain JSON and safetensors that `signaltok.load` opens."""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from signaltok.artifact import layout
from signaltok.artifact.describe import build
from signaltok.artifact.onnx import write_onnx
from signaltok.artifact.read import fill
from signaltok.artifact.training_state import state_of_checkpoint, write_training_state
from signaltok.artifact.write import write_codebooks
from signaltok.checkpoint import read_checkpoint, tokenizer_weights
from signaltok.cli.console import say
from signaltok.cli.locate import EXPORTED
from signaltok.files import atomic_file
from signaltok.tokenizer import Tokenizer
from signaltok.training.export import read_counts, read_samples, write_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok export` takes."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a training run, such as outputs/latest")
    parser.add_argument("out", type=Path, nargs="?", metavar="OUT", help=f"a new folder (default RUN/{EXPORTED})")
    parser.add_argument("--checkpoint", choices=("best", "last"), default="best", help="which weights (default best)")
    parser.add_argument("--codebooks-only", action="store_true", help=f"write {layout.CODEBOOKS} alone")
    parser.add_argument("--onnx", action="store_true", help="also write encoder.onnx and decoder.onnx, checked")
    parser.add_argument(
        "--with-training-state",
        action="store_true",
        help="also write discriminator and optimizers, which run.init_from=OUT takes up",
    )
    parser.add_argument("--force", action="store_true", help="replace the exported tokenizer that stands at OUT")


def run(options: argparse.Namespace) -> int:
    """Export."""
    out = options.out if options.out is not None else options.run / EXPORTED
    _check_target(out, options.force, options.codebooks_only)
    path = checkpoint_of(options.run, options.checkpoint)
    content = read_checkpoint(path)
    tokenizer = tokenizer_of(content, path)
    state = state_of_checkpoint(content, tokenizer, path) if options.with_training_state else None
    if options.codebooks_only:
        if options.with_training_state:
            raise ValueError("--codebooks-only writes one file; leave it out, or --with-training-state")
        if not tokenizer.quantizer.codebook_sizes:
            raise ValueError(f"the tokenizer of {options.run} has no codebooks: its quantizer has no codes")
        say(f"codebooks in {write_codebooks(tokenizer, out, read_counts(options.run, tokenizer))}")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        extra = ()
        if options.onnx:
            extra = write_onnx(tokenizer, Path(scratch), _probe(tokenizer, read_samples(options.run)))
        write_run(tokenizer, options.run, out, checkpoint=options.checkpoint)
        if state is not None:
            write_training_state(state, out)
        for file in extra:
            with atomic_file(out / file.name) as temporary:
                shutil.copyfile(file, temporary)
    say(f"tokenizer in {out}")
    return 0


def load_run(folder: Path, checkpoint: str) -> Tokenizer:
    """The tokenizer of a run with its averaged weights, in eval mode. Raises ValueError where there is none."""
    path = checkpoint_of(folder, checkpoint)
    return tokenizer_of(read_checkpoint(path), path)


def checkpoint_of(folder: Path, checkpoint: str) -> Path:
    """The file of a run's checkpoint. Raises ValueError where there is none."""
    if not folder.is_dir():
        raise ValueError(f"there is no run {folder}; give the folder of a training run, such as outputs/latest")
    path = folder / "checkpoints" / f"{checkpoint}.ckpt"
    if not path.is_file():
        others = sorted(found.stem for found in path.parent.glob("*.ckpt"))
        advice = f"it has {', '.join(others)}: give --checkpoint" if others else "it has none: train it to its end"
        raise ValueError(f"the run {folder} has no checkpoint {path.relative_to(folder)}; {advice}")
    return path


def tokenizer_of(content: dict[str, Any], path: Path) -> Tokenizer:
    """The tokenizer of a checkpoint's content with its averaged weights, in eval mode."""
    description, weights = tokenizer_weights(content, path)
    tokenizer = build(description)
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError(f"{path} does not describe a tokenizer")
    fill(tokenizer, weights, path)
    return tokenizer.eval()


def _check_target(out: Path, force: bool, codebooks_only: bool) -> None:
    """Raise ValueError where something stands at out that must stay, before any work is done."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give the name of a folder")
    exported = (out / layout.CONFIG).is_file()
    if codebooks_only:
        if exported:
            raise ValueError(f"{out} is an exported tokenizer and has its codebooks; give another folder")
        taken = (out / layout.CODEBOOKS).exists()
    else:
        taken = out.is_dir() and any(out.iterdir())
        if taken and not exported:
            raise ValueError(f"{out} exists and is not an exported tokenizer; give a new folder")
    if taken and not force:
        raise ValueError(f"{out} has been exported before; give another folder, or --force to replace it")


def _probe(tokenizer: Tokenizer, samples: dict[str, Tensor] | None) -> Tensor:
    """A signal [1, c, *s] to hold the ONNX files against: the first sample, or noise where there is none."""
    low, high = tokenizer.value_range
    if samples and "originals" in samples:
        return samples["originals"][:1].float() / 255 * (high - low) + low
    size = [8 * step for step in tokenizer.encoder.stride]
    noise = torch.rand(1, tokenizer.encoder.channels, *size, generator=torch.Generator().manual_seed(0))
    return noise * (high - low) + low
