"""The modules that these tests share with the processes they start lie beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
