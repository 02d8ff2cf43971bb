"""What the library's codebooks do in one training forward of ours: statistics and draws of all processes, float64 kept.

The library decides when it is built whether processes share statistics, before the process group exists; it draws
from each process's own generator; and it turns every row to float32.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, distributed, nn
from torch.overrides import TorchFunctionMode

from signaltok.processes import in_group
from signaltok.quantizers.codebook.initialization import sample
from signaltok.quantizers.distributed import rows_of_group


def codebooks(module: nn.Module) -> list[nn.Module]:
    """The library's own codebook objects, each once."""
    from vector_quantize_pytorch.vector_quantize_pytorch import Codebook

    return [child for child in module.modules() if isinstance(child, Codebook)]


def draws_numbers(module: nn.Module) -> bool:
    """Whether its training draws: k-means starts, dead codes that start again, levels that drop out."""
    books: list[Any] = codebooks(module)
    return bool(_dropping(module)) or any(not book.initted or book.has_dead_code_replacement for book in books)


@contextmanager
def training_forward(module: nn.Module, generator: torch.Generator | None, dtype: torch.dtype) -> Iterator[None]:
    """Inside the block the module computes one training forward on rows of dtype, together with all processes.

    generator: in the same state on every process; None for a module that draws nothing.
    """
    with ExitStack() as stack:
        for book in codebooks(module):
            stack.enter_context(_together(book, generator))
        if generator is not None:
            seed = int(torch.randint(2**31, (), generator=generator))
            for child in _dropping(module):
                hook = child.register_forward_pre_hook(partial(_with_seed, seed), with_kwargs=True)
                stack.callback(hook.remove)
        if dtype == torch.float64:
            stack.enter_context(_KeepsFloat64())
        yield


def _dropping(module: nn.Module) -> list[nn.Module]:
    return [child for child in module.modules() if getattr(child, "quantize_dropout", False)]


def _with_seed(seed: int, module: nn.Module, positional: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:  # noqa: ARG001
    return positional, {**named, "rand_quantize_dropout_fixed_seed": seed}


class _KeepsFloat64(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.float and args[0].dtype == torch.float64:
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def _together(book: Any, generator: torch.Generator | None) -> Iterator[None]:
    names = ("all_reduce_fn", "kmeans_all_reduce_fn", "sample_fn")
    before = {name: getattr(book, name) for name in names}
    book.all_reduce_fn = book.kmeans_all_reduce_fn = distributed.all_reduce if in_group() else _nothing
    if generator is not None:
        book.sample_fn = partial(_sample, generator)
        book.replace = partial(_replace, book, generator)
    try:
        yield
    finally:
        vars(book).pop("replace", None)
        for name, value in before.items():
            setattr(book, name, value)


def _nothing(statistics: Tensor) -> None:
    """In a single process its own statistics are everybody's."""
    del statistics


def _sample(generator: torch.Generator, rows: Float[Tensor, "h n d"], count: int) -> Float[Tensor, "h count d"]:
    return torch.stack([sample(own, count, generator) for own in rows])


def _replace(
    book: Any,
    generator: torch.Generator,
    batch_samples: Float[Tensor, "h n d"],
    batch_mask: Bool[Tensor, "h K"],
    seq_mask: None = None,
) -> None:
    """As the library's own: dead codes start from rows of the batch; where there are more, the rest waits."""
    assert seq_mask is None, "padding never reaches the library"
    for head, (rows, mask) in enumerate(zip(batch_samples, batch_mask, strict=True)):
        dead, total = mask.nonzero()[:, 0], rows_of_group(rows)[0]
        if len(dead) > total:
            dead = dead[torch.randperm(len(dead), generator=generator)[:total].to(dead.device)]
        if not len(dead):
            continue
        rows = book.transform_input(rows)
        fresh = sample(rows, len(dead), generator).to(book.embed.dtype)
        book.embed.data[head, dead] = fresh
        book.cluster_size.data[head, dead] = book.reset_cluster_size
        book.embed_avg.data[head, dead] = fresh * book.reset_cluster_size
