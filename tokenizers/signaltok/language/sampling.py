"""Sampling from a language model: of all ids, or of those alone that the grammar allows."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from signaltok.language.gpt import GPT
from signaltok.streams.grammar import Grammar
from signaltok.streams.sampling import Cursor
from signaltok.streams.stream import Numbers


@torch.no_grad()
def sample_documents(
    model: GPT,
    grammar: Grammar,
    prompts: Sequence[np.ndarray],
    *,
    sizes: Mapping[str, Numbers] | None,
    most: int,
    temperature: float,
    generator: torch.Generator,
) -> list[np.ndarray]:
    """int64 [n] of each: its prompt and what the model goes on with, eos the last.

    sizes: of the blocks of a stream by name, and then only what the grammar allows is drawn, and eos as soon as a
    signal has ended; None: of all ids. One that has not ended after `most` ids is given as it is.
    """
    eos = grammar.vocabulary.control["eos"]
    found = [prompt.tolist() for prompt in prompts]
    cursors = [None if sizes is None else _advanced(grammar.cursor(sizes), prompt) for prompt in found]
    signal_ends = {grammar.vocabulary.control[f"end_{stream.name}"] for stream in grammar.vocabulary.streams}
    open_ones = list(range(len(found)))
    while open_ones:
        logits = _next_logits(model, [found[number] for number in open_ones]) / temperature
        for row, number in zip(logits, open_ones, strict=True):
            cursor = cursors[number]
            if cursor is None:
                chosen = _drawn(row, None, generator)
            else:
                # In a mix the end of a piece is none of the document.
                ends = found[number][-1] in signal_ends and any(a <= eos < b for a, b in cursor.allowed)
                chosen = eos if ends else _drawn(row, cursor.allowed, generator)
                cursor.advance(chosen)
            found[number].append(chosen)
        open_ones = [n for n in open_ones if found[n][-1] != eos and len(found[n]) < most]
    return [np.array(ids, np.int64) for ids in found]


def _advanced(cursor: Cursor, ids: list[int]) -> Cursor:
    for number in ids:
        cursor.advance(number)
    return cursor


def _next_logits(model: GPT, rows: list[list[int]]) -> Tensor:
    """[b, v] of the id that follows each row, of which the last `context` ids are looked at."""
    taken = [row[-model.context :] for row in rows]
    ids = torch.zeros(len(rows), max(map(len, taken)), dtype=torch.int64)
    for number, row in enumerate(taken):
        ids[number, : len(row)] = torch.tensor(row)  # what stands behind a row's end, none of its places looks at
    features = model.features(ids.to(model.places.device))
    last = torch.tensor([len(row) - 1 for row in taken], device=features.device)
    return model.logits(features[torch.arange(len(rows), device=features.device), last]).float().cpu()


def _drawn(logits: Tensor, allowed: Sequence[tuple[int, int]] | None, generator: torch.Generator) -> int:
    if allowed is not None:
        if len(allowed) == 1 and allowed[0][1] - allowed[0][0] == 1:
            return allowed[0][0]
        mask = torch.full_like(logits, float("-inf"))
        for first, last in allowed:
            mask[first:last] = 0
        logits = logits + mask
    return int(torch.multinomial(logits.softmax(0), 1, generator=generator))
