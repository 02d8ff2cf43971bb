"""Lay the Debian package dataset-fashion-mnist 0.0~git20200523 out as data=fashion_mnist looks for it.

    apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb UNPACKED
    python data/fetch/fashion_mnist.py UNPACKED data/downloads/fashion_mnist

Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747; MIT): 70,000 pictures of 28 x 28 with one of ten labels.
The four files are the package's, unpacked; their lengths are checked.
"""

import argparse
import gzip
from pathlib import Path

PACKAGED = "usr/share/datasets/fashion-mnist"
LENGTHS = {  # bytes, unpacked: a head of 16 or 8, then a byte a pixel or a label
    "train-images-idx3-ubyte": 16 + 60_000 * 28 * 28,
    "train-labels-idx1-ubyte": 8 + 60_000,
    "t10k-images-idx3-ubyte": 16 + 10_000 * 28 * 28,
    "t10k-labels-idx1-ubyte": 8 + 10_000,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path, help="the folder that dpkg -x filled")
    parser.add_argument("out", type=Path, help="the folder to fill")
    arguments = parser.parse_args()
    raw = arguments.out / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, length in LENGTHS.items():
        content = gzip.decompress((arguments.unpacked / PACKAGED / f"{name}.gz").read_bytes())
        if len(content) != length:
            raise ValueError(f"{name} has {len(content):,} bytes, expected {length:,}: another version of the package?")
        (raw / name).write_bytes(content)


if __name__ == "__main__":
    main()
