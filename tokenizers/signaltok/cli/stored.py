"""A stored item as the stack that a tokenizer decodes."""

import numpy as np
import torch

from signaltok.store.plan import Header, Item
from signaltok.types.token_stack import TokenStack


def to_stack(item: Item, header: Header) -> TokenStack:
    """The codes of one stored item as a batch of one."""
    runs = item.spans is not None
    return TokenStack(
        levels=tuple(torch.from_numpy(level.astype(np.int64))[None] for level in item.levels),
        codebook_sizes=header.codebook_sizes,
        strides=header.strides,
        signal_size=item.signal_size,
        lengths=(torch.tensor([[len(item.levels[0])]]),) if runs else (None,) * len(item.levels),
        shares=header.shares,
        tokens=header.tokens_of(item),
        spans=(torch.from_numpy(item.spans.astype(np.int64))[None],) if item.spans is not None else None,
    )
