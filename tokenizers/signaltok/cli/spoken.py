"""spoken.jsonl beside a token store: what each item says, and each token with its span in seconds.

A line an item, in the order of the keys: {"key", "text", "tokens": [[id, piece, start, end], ...]}. It follows from the
store and the tokenizer, and is written anew each time.
"""

import json
from pathlib import Path

from signaltok.files import write_text
from signaltok.language.decoding import to_stack
from signaltok.store.index import read_store
from signaltok.tokenizer import Tokenizer

SPOKEN = "spoken.jsonl"


def write_spoken(tokenizer: Tokenizer, folder: Path) -> Path:
    """Write folder/spoken.jsonl for the store in folder; its path."""
    store, lines = read_store(folder), []
    for item in store:
        stack = to_stack(item, store.header)
        content: dict[str, object] = {"key": item.key, "text": tokenizer.text(stack)[0]}
        if tokenizer.collapses:
            assert tokenizer.sample_rate is not None, "files of sounds have a rate"
            (seconds,) = stack.seconds(0, tokenizer.sample_rate)
            ids = stack.levels[0][0]
            pieces = tokenizer.decoder.pieces(ids)
            content["tokens"] = [
                [number, piece, round(start, 6), round(end, 6)]
                for number, piece, (start, end) in zip(ids.tolist(), pieces, seconds.tolist(), strict=True)
            ]
        lines.append(json.dumps(content, ensure_ascii=False))
    write_text(folder / SPOKEN, "\n".join(lines) + "\n")
    return folder / SPOKEN
