"""How Lightning's checkpoints reach the disk: atomically, and read back as plain data alone."""

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from signaltok.artifact.checkpoint import read_checkpoint
from signaltok.files import atomic_file


class AtomicCheckpointIO(CheckpointIO):
    """A save that fails (full disk, kill) leaves the checkpoint before it as it was."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write to a temporary name, then rename. Raises OSError naming path where the disk is full."""
        assert storage_options is None, f"no storage options are known, got {storage_options}"
        # Through memory: torch's own writer turns a full disk into a RuntimeError that names neither file nor cause.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with atomic_file(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Plain data alone, whatever weights_only says. Raises ValueError naming path where it cannot be read."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)
