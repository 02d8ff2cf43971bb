"""Makes `public_models` and the training tests' `tiny_runs` importable: a package called tests may be installed."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "training")]
