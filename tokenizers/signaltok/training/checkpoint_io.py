"""How Lightning's checkpoints reach the disk: room is made sure of, written atomically, read back, plain data alone."""

import errno
import io
import shutil
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from signaltok.checkpoint import read_checkpoint
from signaltok.files import atomic_file


class AtomicCheckpointIO(CheckpointIO):
    """A save that fails (full disk, kill) leaves the checkpoint before it as it was."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write to a temporary name, read that back, then rename.

        Raises OSError, with path as it was, where there is no room or what was read is not what was written, and
        ValueError where it holds more than plain data.
        """
        assert storage_options is None, f"no storage options are known, got {storage_options}"
        # Through memory: torch's own writer turns a full disk into a RuntimeError that names neither file nor cause.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_room(path, buffer.getbuffer().nbytes)
        with atomic_file(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
            if temporary.read_bytes() != buffer.getbuffer():
                raise OSError(errno.EIO, f"{temporary} does not read as it was written; the disk may be failing")
            read_checkpoint(temporary)

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Plain data alone, whatever weights_only says. Raises ValueError naming path where it cannot be read."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def _check_room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        kept = "the checkpoint before it is intact" if path.is_file() else "there is none before it"
        raise OSError(
            errno.ENOSPC,
            f"no space left for {path}: it needs {needed / 1e6:.1f} MB, the disk has {free / 1e6:.1f} MB free; {kept}. "
            f"Make room and go on with: python train.py run.resume={path.parents[1]}",
        )
