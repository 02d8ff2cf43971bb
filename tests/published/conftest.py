"""Makes `public_models` importable for the tests of this folder: a package called tests may be installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
