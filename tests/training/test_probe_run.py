"""The linear probe through eval.py's own function and the benchmark's table, on pictures in Fashion-MNIST's files."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import ROOT, composed

from signaltok.training.assemble import build_tokenizer
from signaltok.training.evaluation_run import evaluate_run

sys.path.insert(0, str(ROOT / "benchmarks"))
import image_probes

TAPS = ("encoder", "z_q", "code_embedding", "code_bag")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of two classes, dark and bright; 40 test pictures."""
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    labels = np.arange(5040, dtype=np.uint8) % 2
    pictures = np.random.default_rng(0).integers(0, 100, (5040, 28, 28), dtype=np.uint8) + 150 * labels[:, None, None]
    for name, count in (("train", 5040), ("t10k", 40)):
        for kind, array in (("images-idx3", pictures[:count]), ("labels-idx1", labels[:count])):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (raw / f"{name}-{kind}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())
    return tmp_path / "data"


def test_an_evaluation_probes_every_tap_and_says_how(tiny, data, tmp_path):
    build_tokenizer(tiny()).save(tmp_path / "tokenizer")
    config = composed(
        f"run.path={tmp_path / 'tokenizer'}", "data=fashion_mnist", f"data.root={data}",
        "run.report=false", "metrics=image_probe_codes", f"paths.output_dir={tmp_path / 'out'}",
        f"paths.root_dir={ROOT}", name="eval",
    )  # fmt: skip
    figures = evaluate_run(config, command=["test"], overrides=["data=fashion_mnist"])
    assert all(figures[f"test/probe_{tap}"] > 0.9 for tap in TAPS), figures  # dark or bright: any tap tells
    protocols = json.loads((tmp_path / "out" / "protocols.json").read_text())
    assert protocols.keys() == {f"test/probe_{tap}" for tap in TAPS}
    assert all(protocols[f"test/probe_{tap}"].startswith("ridge regression (penalty 0.001 an item)") for tap in TAPS)


def test_the_table_has_a_row_a_tokenizer_and_one_of_the_pixels(tiny, data, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "tokenizer"
    build_tokenizer(tiny()).save(folder)
    monkeypatch.setattr("sys.argv", ["image_probes.py", f"first={folder}", f"second={folder}", "--data", str(data)])
    image_probes.main()
    printed = capsys.readouterr().out
    lines = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in printed.splitlines() if line[:1] == "│"}
    assert lines["first"] == lines["second"] and lines.keys() == {"first", "second", "pixels alone"}
    assert "40 test pictures" in printed and float(lines["first"][0]) == 16 * 4  # a cell of 8 x 8 pixels, of 16 codes
    assert min(float(cell) for cell in lines["first"][3:]) > 90 and float(lines["pixels alone"][3]) > 90
    monkeypatch.setattr("sys.argv", ["image_probes.py", str(folder), "--data", str(data)])
    with pytest.raises(ValueError, match="has no name; write image_vqvae="):
        image_probes.main()
