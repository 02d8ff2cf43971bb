"""Nested dropout of a token sequence: in training an item keeps a random number of its tokens, the first ones.

What the first tokens say is used by every item, what the last ones say by few, so the sequence comes to be ordered by
importance and any prefix of it decodes (Rippel, Gelbart, Adams 2014; of image tokens: FlexTok, Bachmann et al. 2025;
One-D-Piece, Miwa et al. 2025).
"""

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from signaltok.layers.draws import Draws, rows_of_group
from signaltok.parts import Part

LENGTHS = ("uniform", "powers_of_two")


class TailDrop(Part, nn.Module):
    """Draws how many tokens each item keeps.

    least: the fewest. lengths: "uniform", every number from least to all, or "powers_of_two", least, twice least and so
    on, and all; each is as likely as the others. Drawn for the items of all processes together (see Draws).
    """

    def __init__(self, *, least: int, lengths: str) -> None:
        super().__init__()
        if least < 1:
            raise ValueError(f"least must be at least 1 token, got {least}")
        if lengths not in LENGTHS:
            raise ValueError(f"lengths must be one of {LENGTHS}, got {lengths!r}")
        self.least, self.lengths = least, lengths
        self.draws = Draws()

    def choices(self, tokens: int) -> list[int]:
        """The numbers of tokens that an item of a sequence of `tokens` may keep, ascending."""
        if self.least > tokens:
            raise ValueError(f"least is {self.least}, but there are {tokens} tokens; set tail_drop.least lower")
        if self.lengths == "uniform":
            return list(range(self.least, tokens + 1))
        doubled = [self.least * 2**n for n in range(tokens.bit_length()) if self.least * 2**n < tokens]
        return [*doubled, tokens]

    def kept(self, items: Tensor, tokens: int) -> Int64[Tensor, " b"]:
        """How many of its tokens each item along the first axis keeps in this training step."""
        choices = torch.tensor(self.choices(tokens))
        batch, before = rows_of_group(items)
        drawn = torch.randint(len(choices), (batch,), generator=self.draws.next())
        return choices[drawn[before : before + len(items)]].to(items.device)
