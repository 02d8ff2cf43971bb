"""Writing that leaves no half-written file under its final name, and reading that names a damaged one.

A file or folder is made under a temporary name beside its final one, flushed to the disk, and renamed at the end.
A kill at any moment leaves either what was there before or the whole new thing.
"""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")


def remove_partial(folder: Path) -> None:
    """Remove what killed writers left directly in the folder; nobody may be writing there."""
    for path in folder.glob(".*.partial"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _explain(error: OSError, path: Path) -> OSError:
    """The same error with words that say which file could not be written and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OSError(error.errno, f"no space left while writing {path}; free some space and repeat. "
                                    "What stood there before is as it was")  # fmt: skip
    return OSError(error.errno, f"could not write {path}: {error.strerror or error}")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to path when the block ends without an error.

    Raises OSError naming path where the disk is full or the folder cannot be written.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _explain(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no file. Raises ValueError naming a damaged one."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it holds no object")
    return content


def write_text(path: Path, text: str) -> None:
    """Write text (UTF-8) to path, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it takes path's place when the block ends without an error.

    Raises ValueError where path exists and is not a folder of ours to replace (the caller checks its contents),
    OSError naming path where the disk is full.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; give the name of a folder that is new or may be replaced")
    temporary, replaced = _temporary(path), _temporary(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush(file)
        if path.exists():
            path.rename(replaced)
        temporary.rename(path)
    except OSError as error:
        if replaced.exists() and not path.exists():
            replaced.rename(path)
        raise _explain(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
