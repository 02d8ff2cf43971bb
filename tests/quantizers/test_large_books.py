"""Training steps over 65,536 codes hold no tokens x codes matrix: measured, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")
BOUND = 150  # MB beyond the quantizer itself, its gradient included; one matrix of 4,096 x 65,536 is 1,074
SIMVQ = """
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import Gaussian
from signaltok.quantizers.codebook.projected import Projected
from signaltok.quantizers.codebook.vector import VectorQuantizer
def build(size):
    return VectorQuantizer(
        latent_dim=64, codebook_size=size, codebook_dim=64, metric="euclidean", update=Projected(decay=0.9),
        estimator=StraightThrough(), initialization=Gaussian(), revival=None,
    )
"""
IBQ = """
from signaltok.quantizers.index_propagation import IndexPropagationQuantizer
def build(size):
    return IndexPropagationQuantizer(latent_dim=64, codebook_size=size, temperature=1.0)
"""
STEP = """
import re, torch
from pathlib import Path
torch.set_num_threads(1)
def step(quantizer):
    z = torch.randn(1, 64, 4096, requires_grad=True)
    quantized = quantizer.train()(z)
    (quantized.z_q.square().mean() + sum(quantized.losses.values())).backward()
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
step(build(64))
large = build(65536)
Path("/proc/self/clear_refs").write_text("5")  # the peak so far, the parent's included, is forgotten
before = peak()
step(large)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("build", [IBQ, SIMVQ], ids=["index backpropagation", "simvq"])
def test_a_step_is_bounded(build: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "tokenizers"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", build + STEP]
    grown = float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    assert 16 < grown < BOUND, "a step over 65,536 x 64 codes makes at least their gradient or their vectors"
