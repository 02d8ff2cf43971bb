"""Runs over several processes. What needs a cluster or several GPUs is composed here, and not run."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import torch
from killing import compare
from omegaconf import OmegaConf
from pytorch_lightning.strategies import FSDPStrategy
from tiny_runs import ADVERSARY, BALANCED, CONV, QUANTIZERS, ROOT, TINY
from torch.distributed import TCPStore

from signaltok.checkpoint import read_checkpoint
from signaltok.layers.transformer import TransformerBlock
from signaltok.training import launch
from signaltok.training.config.build import build
from signaltok.training.config.resolve import prepare
from signaltok.training.experiment import composed_experiment
from signaltok.training.launch import free_name, new_folder


def test_processes_of_torchrun_agree_on_a_folder(monkeypatch, tmp_path):
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {
        "TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "RANK": "0",
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    first = new_folder(tmp_path)
    time.sleep(1.1)  # names have seconds
    monkeypatch.setenv("RANK", "1")
    assert new_folder(tmp_path) == first and list(tmp_path.iterdir()) == [first]
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "False")
    with pytest.raises(ValueError, match=r"give hydra\.run\.dir=FOLDER"):
        new_folder(tmp_path)


def test_processes_of_a_cluster_s_job_share_its_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert new_folder(tmp_path).name != "slurm-77"
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert new_folder(tmp_path) == tmp_path / "slurm-77"


def test_runs_that_start_in_the_same_second_have_folders_of_their_own(monkeypatch, tmp_path):
    class Still(datetime):
        @classmethod
        def now(cls, tz=None):  # noqa: ARG003
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(launch, "datetime", Still)
    runs = tmp_path / "train" / "runs"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: new_folder(runs).name, range(8)))
    assert sorted(found) == ["2026-01-02_03-04-05", *(f"2026-01-02_03-04-05-{n}" for n in range(2, 9))]
    assert free_name(runs) == "2026-01-02_03-04-05-9" and len(list(runs.iterdir())) == 8


def test_sharded_training_wraps_transformer_blocks():
    strategy = build({"_target_": "signaltok.training.sharding.fully_sharded"})
    assert isinstance(strategy, FSDPStrategy) and strategy._state_dict_type == "full"
    policy = strategy.kwargs["auto_wrap_policy"]
    block, other = TransformerBlock(width=8, heads=2), torch.nn.Linear(2, 2)
    assert policy(block, recurse=False, nonwrapped_numel=1) and not policy(other, recurse=False, nonwrapped_numel=1)


def command(folder: Path, *overrides: str) -> list[str]:
    return [
        sys.executable, str(ROOT / "train.py"), *TINY, *CONV, *QUANTIZERS["vq"], "trainer.max_steps=40",
        "trainer.val_check_interval=10", "callbacks.model_checkpoint.every_n_train_steps=5", "run.limit_eval_batches=3",
        "optimization.autocast=null", f"hydra.run.dir={folder}", f"paths.log_dir={folder.parent}", *overrides,
    ]  # fmt: skip


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_two_processes_train_what_one_trains_and_go_on_after_a_kill(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tokenizers"), "OMP_NUM_THREADS": "1"}
    one, two, torchrun, broken = (tmp_path / name for name in ("one", "two", "torchrun", "broken"))
    subprocess.run(command(one, "data.batch_size=4"), env=environment, check=True)
    subprocess.run(command(two, "trainer=ddp_sim", "data.batch_size=2"), env=environment, check=True)
    for a, b in zip(rows(one), rows(two), strict=True):
        assert a.keys() == b.keys() and a["step"] == b["step"]
        assert float(a["train/loss"]) == pytest.approx(float(b["train/loss"]), rel=1e-3)
    figures = [json.loads((run / "summary.json").read_text()) for run in (one, two)]
    assert figures[0]["test/tokens"] == figures[1]["test/tokens"] and "test/psnr" in figures[1]
    assert figures[0]["test/psnr"] == pytest.approx(figures[1]["test/psnr"], abs=0.02)

    starter = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    again = command(torchrun, "trainer=ddp_sim", "data.batch_size=2")
    subprocess.run([*starter, *again[1:]], env=environment, check=True)
    last = [read_checkpoint(run / "checkpoints/last.ckpt") for run in (two, torchrun)]
    assert compare(last[0]["current_model_state"], last[1]["current_model_state"], "state") == []

    process = subprocess.Popen(
        command(broken, "trainer=ddp_sim", "data.batch_size=2"), env=environment, start_new_session=True
    )
    limit = time.monotonic() + 120
    while not (broken / "checkpoints/last.ckpt").is_file():
        assert process.poll() is None and time.monotonic() < limit, "no checkpoint came"
        time.sleep(0.01)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (broken / "summary.json").exists(), "the run was over before the kill"
    subprocess.run([sys.executable, str(ROOT / "train.py"), f"run.resume={broken}"], env=environment, check=True)
    last = [read_checkpoint(run / "checkpoints/last.ckpt") for run in (two, broken)]
    for key in ("state_dict", "current_model_state", "optimizer_states", "batches_seen", "random_state"):
        assert compare(last[0][key], last[1][key], key) == []
    assert rows(two) == rows(broken)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adversary", "names"),
    [
        (ADVERSARY, ("generator", "discriminator", "adaptive_weight", "lecam")),
        (BALANCED, ("generator", "matching", "discriminator", "balance_reconstruction", "balance_matching")),
    ],
    ids=["measured", "balanced"],
)
def test_two_processes_train_against_an_adversary_as_one_does(tmp_path, adversary, names):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tokenizers"), "OMP_NUM_THREADS": "1"}
    one, two = tmp_path / "one", tmp_path / "two"
    options = (*adversary, "trainer.max_steps=20", "data.augmentation=null")
    subprocess.run(command(one, *options, "data.batch_size=4"), env=environment, check=True)
    subprocess.run(command(two, *options, "trainer=ddp_sim", "data.batch_size=2"), env=environment, check=True)
    alone, both = (read_checkpoint(run / "checkpoints/last.ckpt") for run in (one, two))
    assert alone["global_step"] == both["global_step"] == 20
    for name, value in alone["current_model_state"].items():
        torch.testing.assert_close(both["current_model_state"][name], value, rtol=0, atol=1e-4, msg=name)
    for a, b in zip(rows(one), rows(two), strict=True):
        for name in names:
            assert float(a[f"train/{name}"]) == pytest.approx(float(b[f"train/{name}"]), rel=1e-3, abs=1e-4), name


def test_a_config_that_is_composed_again_names_the_one_folder_that_was_made(tmp_path):
    prepare(runs=True)
    named = {OmegaConf.create({"dir": f"${{run_dir:null,{tmp_path}}}"}).dir for _ in range(3)}  # Hydra composes thrice
    assert named == {str(folder) for folder in tmp_path.iterdir()} and len(named) == 1
    prepare(runs=True)  # the next run
    assert OmegaConf.create({"dir": f"${{run_dir:null,{tmp_path}}}"}).dir not in named


def test_a_config_that_is_only_read_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    composed_experiment(ROOT / "configs", "quickstart")
    assert not list(tmp_path.iterdir())
