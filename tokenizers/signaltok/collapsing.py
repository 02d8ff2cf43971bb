"""Stacks of variable length: a quantizer's path over one axis as runs with their spans, and back."""

from jaxtyping import Int64
from torch import Tensor

from signaltok.parts import Quantizer
from signaltok.types.runs import collapsed, expanded
from signaltok.types.token_stack import TokenStack


def stack_of_runs(
    paths: Int64[Tensor, "b l"],
    quantizer: Quantizer,
    stride: tuple[int, ...],
    signal_size: tuple[int, ...],
    lengths: Int64[Tensor, "b 1"] | None,
) -> TokenStack:
    """The stack of a quantizer with a blank; lengths: of the items' signals, None where all are full."""
    assert quantizer.blank is not None, "asked for only where there is a blank"
    (step,) = stride
    sizes = [signal_size[0]] * len(paths) if lengths is None else lengths[:, 0].tolist()
    runs = [
        collapsed(path[: -(-size // step)], quantizer.blank, step, size)
        for path, size in zip(paths, sizes, strict=True)
    ]
    longest = max(len(tokens) for tokens, _ in runs)
    level, spans = paths.new_zeros(len(runs), longest), paths.new_zeros(len(runs), longest, 2)
    for number, (tokens, places) in enumerate(runs):
        level[number, : len(tokens)], spans[number, : len(tokens)] = tokens, places
    return TokenStack(
        levels=(level,),
        codebook_sizes=quantizer.codebook_sizes,
        strides=(stride,),
        signal_size=signal_size,
        lengths=(paths.new_tensor([[len(tokens)] for tokens, _ in runs]),),
        signal_lengths=lengths,
        spans=(spans,),
    )


def path_of(
    tokens: Int64[Tensor, "1 n"],
    spans: Int64[Tensor, "n 2"],
    quantizer: Quantizer,
    stride: tuple[int, ...],
    grid: tuple[int, ...],
) -> Int64[Tensor, "1 l"]:
    """The path that an item's tokens and spans were made of."""
    assert quantizer.blank is not None, "check_stack has looked"
    return expanded(tokens[0], spans, quantizer.blank, stride[0], grid[0])[None]


def codes_of_item(
    stack: TokenStack, item: int, quantizer: Quantizer, stride: tuple[int, ...], grid: tuple[int, ...]
) -> tuple[Int64[Tensor, "1 *l"], ...]:
    """The valid codes of an item, a level an entry; of runs the path over a latent of this grid."""
    assert stack.spans is not None
    levels = []
    for level, lengths, spans in zip(stack.levels, stack.lengths, stack.spans, strict=True):
        cells = tuple(level.shape[1:]) if lengths is None else tuple(int(n) for n in lengths[item])
        codes = level[(slice(item, item + 1), *(slice(0, n) for n in cells))].contiguous()
        levels.append(codes if spans is None else path_of(codes, spans[item, : cells[0]], quantizer, stride, grid))
    return tuple(levels)
