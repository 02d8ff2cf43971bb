import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from signaltok.data.collate import check_range
from signaltok.data.picture_sets import FolderData

ROOT = Path(__file__).parents[2]


def _photos(**changes: Any) -> FolderData:
    arguments: dict[str, Any] = {
        "root": str(ROOT / "data" / "photos"),
        "split": "hash",
        "resize": None,
        "cache_megabytes": 128,
        "size": 64,
        "augmentation": None,
        "evaluation": "tiles",
        "batch_size": 4,
        "eval_batch_size": 300,
        "num_workers": 0,
    }
    return FolderData(**arguments | changes)


def test_the_eval_loader_goes_over_all_tiles_once() -> None:
    batches = list(_photos().eval_loader("test", rank=0, world=1))
    assert [len(batch.keys) for batch in batches] == [300, 300, 115]
    assert batches[2].signal.shape == (115, 3, 64, 64)
    assert len({key for batch in batches for key in batch.keys}) == 715
    check_range(batches[0], FolderData.value_range)


@pytest.mark.parametrize("world", [2, 3, 8])
def test_shares_of_the_eval_loader_are_the_batches_of_one_process(world: int) -> None:
    data = _photos(evaluation="centre", eval_batch_size=2)
    whole = [batch.keys for batch in data.eval_loader("test", rank=0, world=1)]
    shares = [[batch.keys for batch in data.eval_loader("test", rank=rank, world=world)] for rank in range(world)]
    assert len(whole) == 7 and shares == [whole[rank::world] for rank in range(world)]


def test_the_train_loader_resumes_exactly() -> None:
    data = _photos()
    whole = list(data.train_loader(seed=5, num_batches=5, start_batch=0, rank=0, world=1))
    resumed = list(data.train_loader(seed=5, num_batches=5, start_batch=3, rank=0, world=1))
    assert len(whole) == 5 and [batch.keys for batch in resumed] == [batch.keys for batch in whole[3:]]
    assert all(torch.equal(a.signal, b.signal) for a, b in zip(resumed, whole[3:], strict=True))


def test_workers_change_nothing() -> None:
    where = {"seed": 5, "num_batches": 3, "start_batch": 0, "rank": 0, "world": 1}
    alone = list(_photos().train_loader(**where))
    helped = list(_photos(num_workers=1).train_loader(**where))
    assert [batch.keys for batch in helped] == [batch.keys for batch in alone]
    assert all(torch.equal(a.signal, b.signal) for a, b in zip(helped, alone, strict=True))


def test_the_loaders_take_nothing_from_the_random_state() -> None:
    torch.manual_seed(1)
    undisturbed = torch.rand(3)
    torch.manual_seed(1)
    data = _photos()
    next(iter(data.train_loader(seed=0, num_batches=2, start_batch=0, rank=0, world=1)))
    next(iter(data.eval_loader("val", rank=0, world=1)))
    assert torch.equal(torch.rand(3), undisturbed)


def test_the_description_states_the_protocol() -> None:
    description = _photos().describe()
    assert description["pictures"] == {"train": 89, "val": 10, "test": 13}
    assert description["eval_items"] == {"val": 550, "test": 715}
    assert description["evaluation"].startswith("non-overlapping full tiles of 64 x 64")
    assert _photos(evaluation="centre").describe()["eval_items"] == {"val": 10, "test": 13}


def test_three_pictures_train_and_evaluate_with_all(tmp_path: Path) -> None:
    for name in "abc":
        Image.fromarray(np.zeros((130, 140, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    data = _photos(root=str(tmp_path), size=128, split="all", batch_size=8)
    (batch,) = data.train_loader(seed=0, num_batches=1, start_batch=0, rank=0, world=1)
    assert batch.signal.shape == (8, 3, 128, 128)
    assert len(data.eval_set("test")) == 3
    with pytest.raises(ValueError, match=r"the test split of .* is empty: .* data\.split=all"):
        _photos(root=str(tmp_path), size=128).eval_set("test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evaluation": "crops"}, r"data\.evaluation is 'crops'; it is one of tiles, centre"),
        ({"size": 0}, r"data\.size is 0; it must be 1 or more"),
        ({"batch_size": 0}, r"data\.batch_size is 0; it must be 1 or more"),
        ({"eval_batch_size": -1}, r"data\.eval_batch_size is -1; it must be 1 or more"),
        ({"num_workers": -1}, r"data\.num_workers is -1; it must be 0 or more"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _photos(**change)


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "data").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_names_exactly_what_its_class_takes(path: Path) -> None:
    node = _whole(path)
    module, _, name = node.pop("_target_").rpartition(".")
    assert set(node) == set(inspect.signature(getattr(import_module(module), name)).parameters)


def _whole(path: Path) -> dict[str, Any]:
    """A config with what it is laid over, another of the folder."""
    node = yaml.safe_load(path.read_text())
    under = [name for name in node.pop("defaults", []) if name != "_self_"]
    return {key: value for name in under for key, value in _whole(path.with_stem(name)).items()} | node
