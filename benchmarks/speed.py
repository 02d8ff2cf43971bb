"""Speed, as ratios to a peer in the same process.

python benchmarks/speed.py search [--json]     our codebook's training forward against vector-quantize-pytorch
python benchmarks/speed.py logging [--json]    a step with metrics.csv against the bare Trainer, on a tiny model
python benchmarks/speed.py training [--json]   a step of the quickstart against a plain loop, and the waiting for data
python benchmarks/speed.py encoding [--json]   pictures a second of each experiment, exact and in free shapes
python benchmarks/speed.py codec [--json]      audio encoders and residual quantizers against the public packages
python benchmarks/speed.py codec_step [--json] the shares of encoder, quantizer, losses and so on of an audio step
python benchmarks/speed.py entropy [--json]    the entropy of lookup-free codes against vector-quantize-pytorch
python benchmarks/speed.py streams [--json]    a million codes to ids and back
python benchmarks/speed.py video [--json]      frames a second of video tokenizers, and memory of clips of minutes
python benchmarks/speed.py tokenize [--json]   files to a store against the bare encoder loop, and where the time goes
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    subjects = sorted(path.stem.removesuffix("_speed") for path in Path(__file__).parent.glob("*_speed.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in subjects:
        sys.exit(f"usage: python benchmarks/speed.py {{{','.join(subjects)}}} [options]")
    subject = __import__(f"{sys.argv[1]}_speed")
    subject.main(sys.argv[2:])


if __name__ == "__main__":
    main()
