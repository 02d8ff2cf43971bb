"""From stored codes to signals, by the tokenizer that made them."""

from pathlib import Path

import numpy as np
import torch

from signaltok.artifact.read import load, read_config
from signaltok.files import read_json
from signaltok.store.index import Store
from signaltok.store.plan import Header, Item
from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import TokenStack

ORIGIN = "origin.json"  # in a store: where tokenizer and files were


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
        lead=header.lead,
        spans=(torch.from_numpy(item.spans.astype(np.int64))[None],) if item.spans is not None else None,
    )


def tokenizer_of(store: Store) -> Tokenizer | None:
    """The tokenizer that made a store, in eval mode; None where its origin.json does not say where it is.

    ValueError where another tokenizer lies there by now.
    """
    origin = read_json(store.folder / ORIGIN)
    folder = None if origin is None else Path(str(origin.get("tokenizer")))
    if folder is None or not folder.is_dir():
        return None
    store.check_fingerprint(read_config(folder)["fingerprint"])
    found = load(folder)
    if not isinstance(found, Tokenizer):
        raise ValueError(f"{folder} describes a {type(found).__name__}, not a tokenizer")
    return found
