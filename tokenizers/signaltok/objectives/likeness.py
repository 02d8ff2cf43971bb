"""How alike the texts of a batch are, over the whole group: the same ones, and those that share words.

Texts of different items often share words, and a contrast that calls each of these a plain negative takes apart what
is alike. Targets may be softened by how alike they are within one modality (SoftCLIP, Gao et al. 2023); here it is

    (number of words that both have / number of words that either has) ^ power,

one for texts of the same words, zero where no word is shared. A large power leaves the first alone.
"""

import hashlib

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.processes import rows_before, rows_of_all

NOTHING = -1  # in place of a word, where a text has fewer than others


def numbers(texts: tuple[str, ...]) -> Int64[Tensor, " n"]:
    """A number for each text, equal for equal texts on every process."""
    digests = [hashlib.blake2b(text.encode(), digest_size=7).digest() for text in texts]
    return torch.tensor([int.from_bytes(digest, "big") for digest in digests], dtype=torch.int64)


def shared_words(texts: tuple[str, ...], *, power: float, device: torch.device) -> Float[Tensor, "n m"]:
    """The likeness of each own text to those of all processes. A word is what stands between spaces, in small letters.

    Texts without words are one another's equals, and nothing to others.
    """
    own = [numbers(tuple(dict.fromkeys(text.lower().split()))) for text in texts]
    most = int(rows_of_all(torch.tensor([[max((len(words) for words in own), default=0)]], device=device)).max())
    table = torch.full((len(own), most + 1), NOTHING, dtype=torch.int64)
    for row, words in zip(table, own, strict=True):
        row[: len(words)] = words
    # The last column is NOTHING in every row, so that it is the first of all the words.
    found, place = torch.unique(rows_of_all(table.to(device)), return_inverse=True)
    has = torch.zeros(len(place), len(found), device=device).scatter_(1, place, 1.0)[:, 1:]
    first = rows_before(len(own), device)
    mine, counts = has[first : first + len(own)], has.sum(1)
    both = mine @ has.T
    either = mine.sum(1)[:, None] + counts - both
    return torch.where(either > 0, both / either.clamp_min(1), 1.0).pow(power)
