"""The linear probe through eval.py's own function, on labelled pictures read from Fashion-MNIST's files."""

import json

import numpy as np
from tiny_runs import ROOT, composed

from signaltok.training.assemble import build_tokenizer
from signaltok.training.evaluation_run import evaluate_run

TAPS = ("encoder", "z_q", "code_embedding", "code_bag")


def test_an_evaluation_probes_every_tap_and_says_how(tiny, tmp_path):
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    labels = np.arange(5040, dtype=np.uint8) % 2
    pictures = np.random.default_rng(0).integers(0, 100, (5040, 28, 28), dtype=np.uint8) + 150 * labels[:, None, None]
    for name, count in (("train", 5040), ("t10k", 40)):
        for kind, array in (("images-idx3", pictures[:count]), ("labels-idx1", labels[:count])):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (raw / f"{name}-{kind}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())
    build_tokenizer(tiny()).save(tmp_path / "tokenizer")
    config = composed(
        f"run.path={tmp_path / 'tokenizer'}", "data=fashion_mnist", f"data.root={tmp_path / 'data'}",
        "run.report=false", "metrics=image_probe_codes", f"paths.output_dir={tmp_path / 'out'}",
        f"paths.root_dir={ROOT}", name="eval",
    )  # fmt: skip
    figures = evaluate_run(config, command=["test"], overrides=["data=fashion_mnist"])
    assert all(figures[f"test/probe_{tap}"] > 0.9 for tap in TAPS), figures  # dark or bright: any tap tells
    protocols = json.loads((tmp_path / "out" / "protocols.json").read_text())
    assert protocols.keys() == {f"test/probe_{tap}" for tap in TAPS}
    assert all(protocols[f"test/probe_{tap}"].startswith("ridge regression (penalty 0.001 an item)") for tap in TAPS)
