"""Law 7 for an adversary: two processes compute what one computes on the concatenated batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from two_processes_adversary import train


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path):
    here = Path(__file__)
    paths = (here.parents[2] / "tokenizers", here.parent)
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(here.with_name("two_processes_adversary.py")), str(rank), str(tmp_path)],
            stderr=subprocess.PIPE, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    errors = [process.communicate(timeout=800)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    alone = train(0, 1)
    one, other = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    assert alone.keys() == one.keys() == other.keys()
    for name, value in alone.items():
        assert torch.equal(one[name], other[name]), name
        torch.testing.assert_close(one[name], value, rtol=0, atol=1e-9, msg=name)
    assert int(one["pictures.adversary.lecam.updates"]) == int(one["waveforms.adversary.lecam.updates"]) == 20
    assert all(bool(one["waveforms.balance.sums"][number] > 0) for number in (0, 2, 3))
