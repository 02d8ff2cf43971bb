"""Terms of pictures on a few frames of each video, where all of them would cost too much (magvit2: one a clip).

Frame k of n is drawn from the k-th of n equal stretches of the video, so that they are spread over all of it.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.layers.draws import Draws, rows_of_group
from signaltok.parts import Quantizer, Term
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction


class SampledFrames(Term):
    """What `term` says of `frames` frames of each video; of one shorter than that, some count more than once.

    The term is one that looks at signals alone: it is shown no codes, and the latents of the videos.
    """

    def __init__(self, *, term: Term, frames: int) -> None:
        super().__init__()
        if frames < 1:
            raise ValueError(f"frames is {frames}; look at 1 or more of each video")
        self.term, self.frames = term, frames
        self.needs = term.needs
        self.draws = Draws()

    def check(self, quantizer: Quantizer) -> None:
        """See Term."""
        self.term.check(quantizer)

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """See Term. Raises ValueError for what is no video."""
        signal, lengths = batch.signal, batch.lengths
        if signal.ndim != 5:
            raise ValueError(
                f"sampled frames are of videos [b, c, t, h, w], got signals of shape {tuple(signal.shape)}; give the "
                "term itself in place of SampledFrames"
            )
        rows, before = rows_of_group(signal)
        drawn = torch.rand(rows, self.frames, generator=self.draws.next(), dtype=torch.float64)
        drawn = drawn[before : before + len(signal)].to(signal.device)
        ends = signal.shape[2] if lengths is None else lengths[:, :1]
        stretches = torch.arange(self.frames, device=signal.device)
        times = ((stretches + drawn) * ends / self.frames).long().clamp(max=signal.shape[2] - 1).flatten()
        items = torch.arange(len(signal), device=signal.device).repeat_interleave(self.frames)
        pictures = replace(
            batch,
            signal=signal[items, :, times],
            keys=tuple(batch.keys[item] for item in items.tolist()),
            lengths=None if lengths is None else lengths[items, 1:],
        )
        latent = reconstruction.latent[items]
        seen = Reconstruction(
            signal=reconstruction.signal[items, :, times], quantized=Quantized(z_q=latent, codes=()), latent=latent
        )
        return self.term(pictures, seen)
