"""Turn a token store back into files: one PNG, WAV or MP4 an item, named after its key, in the same nested folders."""

import argparse
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np

from signaltok.checks import check_decodes
from signaltok.cli.console import progress_bar, say
from signaltok.cli.locate import open_tokenizer, tokenizer_folder
from signaltok.cli.pieces import can_stream, decode_pieces
from signaltok.cli.signal_files import signal_files
from signaltok.cli.tokenize import read_header
from signaltok.language.decoding import to_stack
from signaltok.store.index import Store, read_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok detokenize` takes."""
    parser.add_argument("tokenizer", type=Path, metavar="TOKENIZER", help="the tokenizer that made the tokens")
    parser.add_argument("tokens", type=Path, metavar="TOKENS", help="the token store")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the files go")
    parser.add_argument("--force", action="store_true", help="write over files that stand there already")
    parser.add_argument("--sound", type=Path, nargs=2, metavar=("TOKENIZER", "TOKENS"), help="of videos: the tokenizer "
                        "of their sound and its store, whose items are put into the same files")  # fmt: skip
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu (default), cuda, cuda:1, mps")


def run(options: argparse.Namespace) -> int:
    """Decode every item of the store."""
    folder = tokenizer_folder(options.tokenizer)
    header = read_header(folder)
    store = read_store(options.tokens)
    store.check_fingerprint(header.fingerprint)
    files = signal_files(folder)
    names = _file_names(store, files.suffix)
    if not options.force:
        _check_free(options.out, names, files.words)
    tokenizer = open_tokenizer(folder, options.device)
    check_decodes(tokenizer.decoder)
    sounds = None if options.sound is None else _Sounds(*options.sound, device=options.device)
    if sounds is not None and files.write_pieces is None:
        raise ValueError(f"--sound is for videos, but {folder} is a tokenizer of {files.words}; leave it out")
    in_pieces = can_stream(tokenizer)
    with progress_bar("detokenize", len(store)) as progress:
        for item in store:
            path = options.out / names[item.key]
            if files.write_pieces is None:
                files.write(tokenizer.decode(to_stack(item, header))[0].cpu().numpy(), path)
            else:
                whole = () if in_pieces else (tokenizer.decode(to_stack(item, header))[0].cpu().numpy(),)
                pieces = decode_pieces(tokenizer, item) if in_pieces else iter(whole)
                files.write_pieces(pieces, path, None if sounds is None else sounds.of(item.key))
            progress.advance(progress.task_ids[0])
    silent = "" if sounds is None or not sounds.missing else f", {sounds.missing} without sound, which had no tokens"
    say(f"{len(names)} {files.words} in {options.out}{silent}")
    return 0


class _Sounds:
    """The sound of each key of a store, decoded when it is asked for; missing: how many keys had none."""

    def __init__(self, tokenizer: Path, tokens: Path, *, device: str) -> None:
        folder = tokenizer_folder(tokenizer)
        self._header, store = read_header(folder), read_store(tokens)
        store.check_fingerprint(self._header.fingerprint)
        if self._header.modality != "audio" or self._header.sample_rate is None:
            raise ValueError(f"--sound needs a tokenizer of sounds, but {folder} is one for {self._header.modality}")
        self._rate = self._header.sample_rate
        self._items = {item.key: item for item in store}
        self._tokenizer = open_tokenizer(folder, device)
        self.missing = 0

    def of(self, key: str) -> tuple[np.ndarray, int] | None:
        """Samples [c, n] in -1..1 and their rate; None where the store has no such key."""
        if key not in self._items:
            self.missing += 1
            return None
        sound = self._tokenizer.decode(to_stack(self._items[key], self._header))[0]
        return sound.clamp(-1.0, 1.0).cpu().numpy(), self._rate


def _file_names(store: Store, suffix: str) -> dict[str, PurePosixPath]:
    """Key -> relative path of its file: a.jpg becomes a.png, or a.jpg.png where there is an a.png already."""
    keys = [item.key for item in store]
    plain = Counter(PurePosixPath(key).with_suffix(suffix) for key in keys)
    names = {}
    for key in keys:
        path = PurePosixPath(key)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{store.folder} has the key {key!r}, which would be written outside the folder")
        alone = plain[path.with_suffix(suffix)] == 1
        names[key] = path.with_suffix(suffix) if alone else path.with_name(f"{path.name}{suffix}")
    return names


def _check_free(out: Path, names: dict[str, PurePosixPath], words: str) -> None:
    taken = [name for name in names.values() if (out / name).exists()]
    if taken:
        raise ValueError(
            f"{len(taken)} {words} stand in {out} already, such as {taken[0]}; give a new folder, or --force to "
            "write over them"
        )
