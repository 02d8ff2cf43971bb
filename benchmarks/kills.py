"""Ten kills at random moments, each run gone on with and held against an unbroken one.

python benchmarks/kills.py [--kills 10] [--quantizer rvq]

The run is the tests' tiny one, 400 steps with validations, checkpoints and a final evaluation. Each kill waits for a
step of its own, spread evenly over the run (the first before the training, the last after it), and then up to .2 s.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/training"))

from killing import differences, finish, logged, start  # noqa: E402
from tiny_runs import CONV, QUANTIZERS, TINY, composed  # noqa: E402

from signaltok.checkpoint import read_checkpoint  # noqa: E402
from signaltok.training.config.resolve import plain  # noqa: E402

STEPS = 400


def settings(folder: Path, quantizer: str) -> dict[str, object]:
    overrides = [
        f"trainer.max_steps={STEPS}", "trainer.val_check_interval=40", "trainer.log_every_n_steps=5",
        "callbacks.model_checkpoint.every_n_train_steps=15", f"quantizer={quantizer}",
        f"paths.output_dir={folder}", f"paths.log_dir={folder.parent}",
    ]  # fmt: skip
    return plain(composed(*TINY, *CONV, *overrides, *QUANTIZERS[quantizer]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--quantizer", default="rvq")
    options = parser.parse_args()
    moments = random.Random(0)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "whole"
        start(settings(whole, options.quantizer)).join()
        for number in range(options.kills):
            folder = Path(temporary) / f"broken{number}"
            target = round(STEPS * number / max(1, options.kills - 1))
            process = start(settings(folder, options.quantizer))
            while not (folder / "config.yaml").is_file() or logged(folder) < target:
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.2))
            process.kill()
            process.join()
            last = folder / "checkpoints/last.ckpt"
            kept = read_checkpoint(last)["batches_seen"] if last.is_file() else 0
            finish(folder)
            differing = differences(whole, folder)
            print(f"killed after step {target:3d}; went on from step {kept:3d}; {len(differing)} differ", flush=True)
            for line in differing:
                print("   ", line)


if __name__ == "__main__":
    main()
