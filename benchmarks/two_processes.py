"""Two gloo processes against one with the double batch, in float64, over every quantizer of the tests' law 7.

python benchmarks/two_processes.py [SUBSTRING]     the largest differences over 20 steps, of the quantizers so named
"""

import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tokenizers"), str(ROOT / "tests" / "laws")]


def main(part: str) -> None:
    from two_processes import NAMES, STEPS, differences, run_both

    torch.set_num_threads(1)
    print(f"{STEPS} steps, two processes against one\n\n| quantizer | loss | state | processes bit-equal |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        run_both(Path(folder))
        for name in (name for name in NAMES if part in name):
            loss, state, equal = differences(name, Path(folder))
            print(f"| {name} | {loss:.1e} | {state:.1e} | {'yes' if equal else 'NO'} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
