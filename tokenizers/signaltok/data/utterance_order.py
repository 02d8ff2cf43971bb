"""Which utterances a run sees, in which batch: such of about the same length together, so that little is padding."""

from collections.abc import Iterator, Sequence

import torch

from signaltok.data.order import Passes

SPREAD = 0.2  # lengths are taken for up to so much longer than they are, anew in every pass


class UtteranceOrder:
    """Batch sampler of a run over utterances with the numbers pass * size + place.

    In every pass each utterance comes once. most: the length of a batch's longest utterance times its items, at most
    (one longer utterance is a batch of its own); batch_size: its items, at most. Over `world` processes batch k of the
    run is the batches k*world .. k*world + world - 1 of this order, of which process `rank` takes its one. A run that
    goes on from batch `start_batch` sees what it would have seen without the stop.
    """

    def __init__(
        self,
        *,
        lengths: Sequence[int],
        most: int,
        batch_size: int,
        seed: int,
        num_batches: int,
        start_batch: int,
        rank: int,
        world: int,
    ) -> None:
        assert lengths and most > 0 and batch_size > 0 and 0 <= rank < world, (most, batch_size, rank, world)
        self.lengths = torch.tensor(lengths, dtype=torch.float64)
        self.most, self.batch_size, self.seed = most, batch_size, seed
        self.num_batches, self.start_batch, self.rank, self.world = num_batches, start_batch, rank, world
        self._passes = Passes(size=len(lengths), seed=seed)

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        first, last = self.start_batch * self.world, self.num_batches * self.world
        for number, batch in enumerate(self._batches()):
            if number >= last:
                return
            if number >= first and number % self.world == self.rank:
                yield batch

    def _batches(self) -> Iterator[list[int]]:
        whole_passes = 0
        while True:
            yield from self._of_pass(whole_passes)
            whole_passes += 1

    def _of_pass(self, whole_passes: int) -> list[list[int]]:
        size = len(self.lengths)
        with self._passes.drawing(-1 - whole_passes):
            factors = 1 + SPREAD * torch.rand(size, dtype=torch.float64)
            order = (self.lengths * factors).argsort().tolist()
            batches: list[list[int]] = [[]]
            longest = 0.0
            for place in order:
                longest = max(longest, float(self.lengths[place]))
                if batches[-1] and (
                    len(batches[-1]) == self.batch_size or longest * (len(batches[-1]) + 1) > self.most
                ):
                    batches.append([])
                    longest = float(self.lengths[place])
                batches[-1].append(whole_passes * size + place)
            return [batches[number] for number in torch.randperm(len(batches)).tolist()]
