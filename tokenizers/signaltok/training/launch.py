"""The name of a new run's folder, agreed on by all processes that start the run together."""

import os
from datetime import datetime, timedelta

FORM = "%Y-%m-%d_%H-%M-%S"
KEY = "signaltok/started"


def started() -> str:
    """The time at which the run began, as its folder's name; the same in every process of torchrun or srun.

    Processes that Lightning starts are told the folder itself. Raises ValueError where processes cannot agree.
    """
    time = datetime.now().strftime(FORM)
    environment = os.environ
    if "TORCHELASTIC_RUN_ID" in environment and int(environment["WORLD_SIZE"]) > 1:
        return _agreed(time)
    if int(environment.get("SLURM_NTASKS", "1")) > 1 and "SLURM_JOB_ID" in environment:
        return f"slurm-{environment['SLURM_JOB_ID']}"
    return time


def _agreed(time: str) -> str:
    """The first process's time, through the store that torchrun keeps for its processes."""
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
        store.set(key, time)
    return store.get(key).decode()
