"""Law 7: two data-parallel processes hold bit-equal codebooks, from the statistics of the concatenated batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from table import QUANTIZERS
from two_processes import train

DRAWS = {"library revival", "rvq dropout"}  # random draws differ with the number of processes, so only equality holds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("two")
    command = [sys.executable, str(Path(__file__).with_name("two_processes.py"))]
    processes = [
        subprocess.Popen([*command, str(rank), str(out)], stderr=subprocess.PIPE, text=True) for rank in range(2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    return out


@pytest.mark.parametrize("name", QUANTIZERS)
def test_law_7_codebooks_are_equal_on_both_processes(folder: Path, name: str) -> None:
    one, other = (load_file(folder / f"{name}-{rank}.safetensors") for rank in range(2))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("name", sorted(set(QUANTIZERS) - DRAWS))
def test_law_7_they_learn_what_one_process_learns_from_the_whole_batch(folder: Path, name: str) -> None:
    state = load_file(folder / f"{name}-0.safetensors")
    for key, value in train(name, 0, 1).items():
        assert torch.allclose(state[key].float(), value.float(), atol=1e-5), key
