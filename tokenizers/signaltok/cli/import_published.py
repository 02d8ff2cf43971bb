"""Make a tokenizer folder from the published weights of a neural audio codec."""

import argparse
from pathlib import Path

from signaltok.artifact.write import check_target, write_tokenizer
from signaltok.cli.console import say
from signaltok.published.families import FAMILIES, import_published


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok import` takes."""
    parser.add_argument("family", choices=tuple(FAMILIES), metavar="FAMILY", help=f"one of {', '.join(FAMILIES)}")
    parser.add_argument(
        "source", type=Path, metavar="SRC", help="a file of weights, or the folder that save_pretrained wrote"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    parser.add_argument(
        "--block", type=float, default=1.0, metavar="SECONDS",
        help="length of the blocks in which long sounds are computed: whole files go faster in longer ones, and a "
        "stream waits for each (default: 1; more where the layers look further)",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace the exported tokenizer that stands at OUT")


def run(options: argparse.Namespace) -> int:
    """Import."""
    check_target(options.out)
    if options.out.exists() and any(options.out.iterdir()) and not options.force:
        raise ValueError(f"{options.out} has been exported before; give another folder, or --force to replace it")
    tokenizer = import_published(options.family, options.source, options.block)
    card = {
        "weights": (
            f"Imported from the published weights of {options.family}, {options.source.name}. They keep their own "
            "licence, which this folder does not change: look it up where they were published before you pass them on."
        ),
        "command": f"signaltok import {options.family} {options.source} {options.out} --block {options.block:g}",
    }
    write_tokenizer(tokenizer, options.out, card=card, counts=None, samples=None)
    say(f"tokenizer in {options.out}")
    return 0
