"""Spelling by sub-words: byte-pair encoding (Sennrich et al. 2016), trained on transcripts by Hugging Face tokenizers.

A space is written as the sign ▁ before each word, so that pieces alone give the text back.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from signaltok.text.spelling import Spelling

SPACE = "▁"


class SubwordSpelling(Spelling):
    """A token a piece. model: what `tokenizers.Tokenizer.to_str` gives of a BPE model; it is all that is exported."""

    def __init__(self, *, model: str) -> None:
        try:
            content = json.loads(model)["model"]
            numbers = dict(content["vocab"])
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"model is not the JSON of a BPE tokenizer ({type(error).__name__}: {error})") from None
        if content.get("type") != "BPE" or sorted(numbers.values()) != list(range(len(numbers))) or not numbers:
            raise ValueError("model is not the JSON of a BPE tokenizer whose ids are 0, 1, 2 ...")
        self._model, self.size = model, len(numbers)
        self._pieces = sorted(numbers, key=numbers.__getitem__)

    @cached_property
    def _tokenizer(self) -> Any:
        return _library().Tokenizer.from_str(self._model)

    def ids(self, text: str) -> list[int]:
        """See Spelling."""
        unknown = sorted(set(text.replace(" ", SPACE)) - set("".join(self._pieces)))
        if unknown:
            raise ValueError(f"the vocabulary lacks {', '.join(map(repr, unknown))}")
        return self._tokenizer.encode(text).ids if text else []

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """See Spelling."""
        return [self._pieces[number] for number in ids]

    def text(self, ids: Sequence[int]) -> str:
        """See Spelling."""
        return " ".join("".join(self.pieces(ids)).replace(SPACE, " ").split())


def trained(*, size: int, texts: Iterable[str]) -> SubwordSpelling:
    """A vocabulary of `size` pieces, of texts that are normalised; each counts once, in any order.

    Raises ValueError where they do not give so many pieces.
    """
    texts = sorted(set(texts) - {""})
    library = _library()
    built = library.Tokenizer(library.models.BPE())
    built.pre_tokenizer = library.pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    built.decoder = library.decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    built.train_from_iterator(
        texts, library.trainers.BpeTrainer(vocab_size=size, special_tokens=[], show_progress=False)
    )
    spelling = SubwordSpelling(model=built.to_str())
    if spelling.size != size:
        raise ValueError(f"the {len(texts)} texts give {spelling.size} pieces, not size={size}; set that")
    return spelling


def _library() -> Any:
    # A package of this name is Hugging Face's, which is meant here; it is needed for spelling alone.
    import tokenizers  # noqa: TID251

    return tokenizers
