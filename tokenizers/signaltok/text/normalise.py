"""Normalisers: texts as they are compared. A figure about texts means nothing without the name of one."""

import re
import unicodedata
from collections.abc import Callable

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGITS = {str(number): word for number, word in enumerate(_WORDS)}
_SIGNS = {"*": "star", "#": "pound", "@": "at", "&": "and", "+": "plus", "=": "equals", "$": "dollar", "/": "slash"}
_SPOKEN = str.maketrans({sign: f" {word} " for sign, word in (_DIGITS | _SIGNS).items()})
_NO_SPEECH = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")


def letters(text: str) -> str:
    """Words of letters, without case, one space between them; an apostrophe between letters is one of them."""
    folded = unicodedata.normalize("NFC", text.casefold()).replace("’", "'")
    return " ".join(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", folded))


def english_prompts(text: str) -> str:
    """letters, after what stands in brackets is taken out (it is no speech) and digits and signs are put in words.

    Digits are read one by one: "28" is "two eight", as nobody knows how a prompt's numbers were read.
    """
    return letters(_NO_SPEECH.sub(" ", text).translate(_SPOKEN))


NORMALISERS: dict[str, Callable[[str], str]] = {"letters": letters, "english_prompts": english_prompts}


def normaliser(name: str) -> Callable[[str], str]:
    """The normaliser of this name. ValueError where there is none."""
    if name not in NORMALISERS:
        raise ValueError(f"there is no normaliser {name!r}; there are {', '.join(NORMALISERS)}")
    return NORMALISERS[name]
