"""Law 7 for the terms align, distill, ctc, masked_code and masked_nce, batch norm and SpecAugment, and balances.

Each process gives its part of the loss.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from two_processes_align import CASES, train


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path):
    here = Path(__file__)
    paths = (here.parents[2] / "tokenizers", here.parent)
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(here.with_name("two_processes_align.py")), str(rank), str(tmp_path)],
            stderr=subprocess.PIPE, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    alone = train(0, 1)
    one, other = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    assert alone.keys() == one.keys() == other.keys()
    for name, value in alone.items():
        assert torch.equal(one[name], other[name]), name
        torch.testing.assert_close(one[name], value, rtol=0, atol=1e-9, msg=name)
    # The tower learned in the first half and stood still in the second; the balance knows both terms.
    tower = "distilled.objective.terms.tower"
    assert not torch.equal(alone[f"{tower}.settled.stem.weight"], alone[f"{tower}.encoder.stem.weight"])
    assert bool((alone["distilled.balance.sums"] > 0).all())
    assert (
        int(alone["spoken.encoder.trunk.normalise.steps"]) == int(alone["spoken.encoder.trunk.augment.draws.steps"]) > 0
    )
    for name in (*CASES, "spoken", "masked"):
        assert alone[f"{name}.losses"][-1] < alone[f"{name}.losses"][0]
