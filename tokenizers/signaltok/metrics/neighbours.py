"""What an evaluation with texts keeps to be looked at: pictures nearest to a text, and pictures that share a code."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from signaltok.metrics.kept import pixels

TEXTS, NEAREST, GROUPS, MOST = 8, 6, 8, 2048  # MOST: pictures that are kept; those after them are not among the shown


@dataclass(frozen=True)
class Neighbours:
    """texts: some of the split; nearest: the pictures nearest to each, in order; own: where its own is, or -1.

    shared: the codes of the first level that most pictures have, each with some of these pictures.
    """

    texts: tuple[str, ...]
    nearest: UInt8[Tensor, "n k c h w"]
    own: Int64[Tensor, " n"]
    shared: tuple[tuple[int, UInt8[Tensor, "_ c h w"]], ...]


class NeighbourKeeper:
    """Takes the items of a process in order: pictures of one size, with texts."""

    def __init__(self, value_range: tuple[float, float]) -> None:
        self._range = value_range
        self._pictures: list[Tensor] = []
        self._texts: list[str] = []
        self._codes: list[Tensor] = []

    def add(self, signal: Tensor, texts: tuple[str, ...] | None, codes: Int64[Tensor, "b ..."] | None) -> None:
        """A batch. codes: of the first level. What is no picture of the first one's size, or has no text, is left."""
        kept = len(self._texts)
        same = not self._pictures or self._pictures[0].shape[1:] == signal.shape[1:]
        if texts is None or signal.ndim != 4 or not same or kept >= MOST:
            return
        self._pictures.append(pixels(signal[: MOST - kept], self._range).cpu())
        self._texts += texts[: MOST - kept]
        if codes is not None and codes[0].numel() == 1:
            self._codes.append(codes[: MOST - kept].flatten().cpu())

    def neighbours(self, items: Float[Tensor, "n e"], texts: Float[Tensor, "n e"]) -> Neighbours | None:
        """From the embeddings of the same items and texts, in order; None where no picture was kept."""
        count = min(len(self._texts), len(items))
        if not count:
            return None
        pictures = torch.cat(self._pictures)
        chosen = torch.linspace(0, count - 1, min(TEXTS, count)).round().long()
        order = (texts[chosen] @ items[:count].T).argsort(dim=1, descending=True, stable=True)[:, :NEAREST]
        at = order == chosen[:, None]
        return Neighbours(
            texts=tuple(self._texts[number] for number in chosen.tolist()),
            nearest=pictures[order],
            own=torch.where(at.any(1), at.long().argmax(1), -1),
            shared=self._shared(pictures),
        )

    def _shared(self, pictures: Tensor) -> tuple[tuple[int, Tensor], ...]:
        if not self._codes:
            return ()
        codes = torch.cat(self._codes)
        found, counts = codes.unique(return_counts=True)
        most = counts.argsort(descending=True, stable=True)[:GROUPS]
        return tuple(
            (int(found[n]), pictures[codes == found[n]][:NEAREST]) for n in most.tolist() if int(counts[n]) > 1
        )
