"""The fixture of tiny runs; makes `tiny_runs` importable, and `laid_over` of the configs' tests.

A package called tests may be installed.
"""

import sys
from pathlib import Path
from typing import Any

import pytest

from signaltok.training.config.resolve import plain

sys.path.insert(0, str(Path(__file__).parents[1] / "configs"))
sys.path.insert(0, str(Path(__file__).parent))

from tiny_runs import CONV, QUANTIZERS, TINY, composed


@pytest.fixture
def tiny(tmp_path):
    """The settings of a tiny convolutional run into a new folder."""

    def make(*overrides: str, folder: str = "run") -> dict[str, Any]:
        places = (f"paths.output_dir={tmp_path / folder}", f"paths.log_dir={tmp_path}")
        names = [override.removeprefix("quantizer=") for override in overrides if override.startswith("quantizer=")]
        small = QUANTIZERS.get(names[-1] if names else "vq", ())
        return plain(composed(*TINY, *CONV, *places, *overrides, *small))

    return make
