"""The folder of a new run: a name that no other run has, agreed on by all processes that start the run together."""

import os
from datetime import datetime, timedelta
from pathlib import Path

FORM = "%Y-%m-%d_%H-%M-%S"
KEY = "signaltok/started"


def new_folder(runs: Path) -> Path:
    """A folder for a run that begins now, in `runs`; the same in every process of torchrun or srun.

    Named after the time, and made, so that a run that starts in the same second takes another: with -2, -3 behind.
    Processes that Lightning starts are told the folder itself. Raises ValueError where processes cannot agree.
    """
    environment = os.environ
    if "TORCHELASTIC_RUN_ID" in environment and int(environment["WORLD_SIZE"]) > 1:
        return runs / _agreed(runs)
    if int(environment.get("SLURM_NTASKS", "1")) > 1 and "SLURM_JOB_ID" in environment:
        return runs / f"slurm-{environment['SLURM_JOB_ID']}"
    return runs / _claimed(runs)


def free_name(runs: Path) -> str:
    """The time, as the name of a folder that does not exist in `runs`."""
    time, number = datetime.now().strftime(FORM), 1
    name = time
    while (runs / name).exists():
        number += 1
        name = f"{time}-{number}"
    return name


def _claimed(runs: Path) -> str:
    """A free name whose folder this process has made, and no other."""
    runs.mkdir(parents=True, exist_ok=True)
    while True:
        name = free_name(runs)
        try:
            (runs / name).mkdir()
        except FileExistsError:  # another process was faster
            continue
        return name


def _agreed(runs: Path) -> str:
    """The first process's name, through the store that torchrun keeps for its processes."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise ValueError(
            "torchrun keeps no store here, so the processes cannot agree on a folder; give hydra.run.dir=FOLDER"
        )
    # Here, as a single process needs no torch to name its folder.
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=60))
    key = f"{KEY}/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if os.environ["RANK"] == "0":
        store.set(key, _claimed(runs))
    return store.get(key).decode()
