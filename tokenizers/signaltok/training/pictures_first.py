"""A video tokenizer that begins as one of pictures: in the first part of a run it sees single frames alone.

At `until` its layers along time begin with what they did to single frames (layers.inflation), so that pictures and
stills go on as they were. All of it follows from the count of batches: a resumed run needs no more state.
"""

from dataclasses import replace

import torch

from signaltok.layers.inflation import along_time, inflate, tie
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch


class PicturesFirst:
    """until: the share of the run, above 0 and below 1. Raises ValueError where the tokenizer is not of videos."""

    def __init__(self, tokenizer: Tokenizer, until: float) -> None:
        if not 0 < until < 1:
            raise ValueError(f"run.pictures_until is {until}; it is a share of the run, above 0 and below 1")
        if tokenizer.encoder.axes != 3:
            raise ValueError(
                f"run.pictures_until is {until}, but this tokenizer's signals have {tokenizer.encoder.axes} axes; only "
                "videos can begin as pictures, so set it to null"
            )
        for part in (tokenizer.encoder, tokenizer.decoder):
            along_time(part)  # or nothing could be inflated
        self.tokenizer, self.until = tokenizer, until

    def begin_step(self, batches_seen: int, batches: int) -> None:
        """Before each batch: of pictures, tie the frames of a cell; inflate before the first one after them."""
        if batches_seen and (batches_seen - 1) / batches >= self.until:
            return
        for part in (self.tokenizer.encoder, self.tokenizer.decoder):
            (tie if batches_seen / batches < self.until else inflate)(part)

    def seen(self, batch: Batch, progress: float) -> Batch:
        """What is trained on at this share of the run: the last frame of each cell as an item, or the batch itself."""
        return single_frames(batch, self.tokenizer.encoder.stride[0]) if progress < self.until else batch


def single_frames(batch: Batch, step: int) -> Batch:
    """Every step-th frame of each video, its first one first, as a video of its own, padding left out."""
    lengths = batch.lengths
    ends = [batch.signal.shape[2]] * len(batch.signal) if lengths is None else lengths[:, 0].tolist()
    places = [(item, time) for item, end in enumerate(ends) for time in range(0, end, step)]
    items, times = (torch.tensor(column, device=batch.signal.device) for column in zip(*places, strict=True))
    own = None if lengths is None else lengths[items].index_fill(1, lengths.new_tensor([0]), 1)
    return replace(
        batch,
        signal=batch.signal[items, :, times].unsqueeze(2),
        keys=tuple(f"{batch.keys[item]}#{time}" for item, time in places),
        lengths=own,
        text=None if batch.text is None else tuple(batch.text[item] for item, _ in places),
        pair=None if batch.pair is None else batch.pair[items],
        labels=None if batch.labels is None else batch.labels[items],
    )
