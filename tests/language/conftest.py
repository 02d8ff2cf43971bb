"""Makes small_stores importable, as a package called tests may be installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
