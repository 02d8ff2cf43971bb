"""The data of a run as Lightning asks for it: training batches from the run's own counter, evaluation by split."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from signaltok.data.signal_data import SignalData
from signaltok.language.token_data import TokenData


class RunLoader:
    """Batches start_batch .. num_batches - 1 of the run; its length is the whole run's.

    repeat: the run is the first so many batches over and over. It says that it can be resumed, which Lightning asks.
    """

    def __init__(self, loader: Iterable[Any], *, num_batches: int, start_batch: int, repeat: int | None) -> None:
        self.loader = loader
        self.num_batches = num_batches
        self.start_batch = start_batch
        self.repeat = repeat

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[Any]:
        if self.repeat is None:
            yield from self.loader
            return
        batches = list(itertools.islice(self.loader, self.repeat))
        for number in range(self.start_batch, self.num_batches):
            yield batches[number % len(batches)]

    def state_dict(self) -> dict[str, Any]:
        """Nothing: where the run stands is the module's batches_seen."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to take up."""
        assert not state_dict, f"a RunLoader has no state of its own, got {state_dict}"


class RunData(pl.LightningDataModule):
    """A data set as a run sees it.

    repeat_batches: train on the first so many batches alone. limit_eval_batches: evaluate the first so many, counted
    over all processes.
    """

    def __init__(
        self,
        *,
        data: SignalData | TokenData,
        seed: int,
        num_batches: int,
        repeat_batches: int | None,
        limit_eval_batches: int | None,
    ) -> None:
        super().__init__()
        for name, value in (("repeat_batches", repeat_batches), ("limit_eval_batches", limit_eval_batches)):
            if value is not None and value < 1:
                raise ValueError(f"run.{name} is {value}; give 1 or more, or null")
        self.data = data
        self.seed = seed
        self.num_batches = num_batches
        self.repeat_batches = repeat_batches
        self.limit_eval_batches = limit_eval_batches

    def train_dataloader(self) -> RunLoader:
        """From the module's batch counter on."""
        assert self.trainer is not None, "Lightning asks for batches with a trainer"
        start = self.trainer.lightning_module.batches_seen
        assert isinstance(start, int), f"batches_seen is {start!r}"
        loader = self.data.train_loader(
            seed=self.seed,
            num_batches=self.num_batches,
            start_batch=start if self.repeat_batches is None else 0,
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
        )
        return RunLoader(loader, num_batches=self.num_batches, start_batch=start, repeat=self.repeat_batches)

    def val_dataloader(self) -> list[str]:
        """One item, the name of the split: the module evaluates it as a whole."""
        return ["val"]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Lightning moves no frozen objects by itself. A split's name, in validation, stays where it is."""
        if isinstance(batch, str):
            return batch
        tensors = {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}
        return replace(batch, **{name: value.to(device, non_blocking=True) for name, value in tensors.items()})

    def eval_batches(self, split: str) -> Iterable[Any]:
        """The evaluation batches of a split that are this process's share; all of them where there is no trainer."""
        rank, world = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        loader = self.data.eval_loader(split, rank=rank, world=world)  # type: ignore[arg-type]
        limit = self.limit_eval_batches
        return itertools.islice(loader, None if limit is None else len(range(rank, limit, world)))
