"""A vocabulary as the `tokenizer.json` of Hugging Face's fast tokenizers, with the same ids.

A byte-pair model without merges: text becomes its bytes, one id each. Everything else has a name, such as <|eos|> or
<|image/0:17|>, that no text can become: without merges no text yields an entry of several characters, and no token is
"added", so none is looked for in what a user types.
"""

from typing import Any

from signaltok.streams.vocabulary import Vocabulary

# The characters that stand for the bytes: printable ones for themselves, the others for those from 256 on.
PRINTABLE = (*range(33, 127), *range(161, 173), *range(174, 256))


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """What tokenizer.json holds. ValueError where the text is an external vocabulary's: its own file says how."""
    if vocabulary.external_text is not None:
        raise ValueError("the text of this vocabulary is another tokenizer's; tokenizer.json is written for bytes")
    names = token_names(vocabulary)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {name: number for number, name in enumerate(names)},
            "merges": [],
        },
    }


def token_names(vocabulary: Vocabulary) -> list[str]:
    """A name for every id from 0 to size - 1."""
    control = {number: name for name, number in vocabulary.control.items()}
    rest = iter(range(256, 512))
    characters = [chr(byte) if byte in PRINTABLE else chr(next(rest)) for byte in range(256)]
    names = []
    for block in vocabulary.blocks.values():
        for number in range(block.size):
            if block.name == "text":
                names.append(characters[number])
            elif block.name == "control" and block.offset + number in control:
                names.append(f"<|{control[block.offset + number]}|>")
            else:
                names.append(f"<|{block.name}:{number}|>")
    return names
