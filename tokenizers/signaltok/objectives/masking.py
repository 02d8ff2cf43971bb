"""A context of latents of which spans are hidden: what wav2vec 2.0 and BEST-RQ predict hidden positions from.

Baevski et al. 2020 (arXiv:2006.11477), section 3.1: some positions are drawn as beginnings, all spans from there are
hidden and may overlap. A network over the whole item, built in, then sees what is left.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import silence
from signaltok.layers.draws import Draws, rows_of_group
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import SignalLayer
from signaltok.parts import Part, Quantizer
from signaltok.quantizers.projection import pointwise
from signaltok.types.token_stack import WHOLE, mask_lengths

FILLS = ("vector", "noise")
NOISE = 0.1  # standard deviation of what stands for a hidden position (BEST-RQ, section 3.1)


class MaskedContext(Part, nn.Module):
    """latents [b, latent_dim, l] -> contexts [b, width, l], and which positions were hidden from them.

    share: of the positions, that begin a span; span: positions, cut off at the item's end. An item in which none
    begins has one span, from a place that is drawn, so that every item counts. fill: what stands at a hidden position,
    "vector" (learned, of the network's width) or "noise" (of standard deviation 0.1, in place of the latent). network:
    of `width` channels in and out, at the same rate. Spans and noise of an item depend on its number in the whole
    group's batch and on its length, not on its padding.
    """

    def __init__(
        self, *, latent_dim: int, width: int, network: SignalLayer, share: float, span: int, fill: str
    ) -> None:
        super().__init__()
        if not 0 <= share < 1 or span < 1:
            raise ValueError(f"share is one of the positions, 0 to 1, and span is 1 or more; got {share} and {span}")
        if fill not in FILLS:
            raise ValueError(f"fill is {fill!r}; it is one of {', '.join(FILLS)}")
        if network.scale != 1:
            raise ValueError(f"the network makes {network.scale} positions of one; take one that keeps the rate")
        self.latent_dim, self.width, self.share, self.span, self.fill = latent_dim, width, share, span, fill
        self.embed = nn.Linear(latent_dim, width)
        self.hole = nn.Parameter(torch.rand(width)) if fill == "vector" else None
        self.network = network
        self.draws = Draws()

    def check(self, quantizer: Quantizer) -> None:
        """Raise ValueError for another latent, or for codes on other grids than the latent's."""
        if quantizer.latent_dim != self.latent_dim:
            raise ValueError(
                f"context.latent_dim is {self.latent_dim}, but the quantizer's is {quantizer.latent_dim}; set it to "
                "${encoder.latent_dim}"
            )
        if any(stride != 1 for stride in quantizer.level_strides) or {*quantizer.level_shares} - {WHOLE}:
            raise ValueError(
                f"hidden positions are those of the latent, but {type(quantizer).__name__} has codes on coarser grids; "
                "take a quantizer of one grid, such as quantizer=vq"
            )

    def forward(
        self, latent: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None
    ) -> tuple[Float[Tensor, "b w l"], Bool[Tensor, "b l"], torch.Generator]:
        """The contexts, what was hidden, and a generator for draws of the same step.

        Raises ValueError for latents of more than one axis.
        """
        if latent.ndim != 3:
            raise ValueError(f"spans go over one axis, but the latent has {latent.ndim - 2}; mask sounds")
        lengths = None if mask is None else mask_lengths(mask)
        generator = self.draws.next()
        hidden, noise = self._drawn(latent, lengths, generator)
        if self.hole is None:
            x = pointwise(self.embed, torch.where(hidden[:, None], noise, latent))
        else:
            x = torch.where(hidden[:, None], self.hole[:, None].to(latent.dtype), pointwise(self.embed, latent))
        return self.network(silence(x, mask), extent=Extent(lengths, None)), hidden, generator

    def _drawn(
        self, latent: Float[Tensor, "b d l"], lengths: Int64[Tensor, "b 1"] | None, generator: torch.Generator
    ) -> tuple[Bool[Tensor, "b l"], Float[Tensor, "b d l"]]:
        """Which positions are hidden, and the noise of all; on the processor, item by item."""
        b, d, length = latent.shape
        own = [length] * b if lengths is None else lengths[:, 0].tolist()
        base = int(torch.randint(2**62, (), generator=generator))
        _, before = rows_of_group(latent)
        hidden, noise = torch.zeros(b, length, dtype=torch.bool), torch.zeros(b, d, length)
        for item, size in enumerate(own):
            of_item = torch.Generator().manual_seed(base + before + item)
            begins = torch.rand(size, generator=of_item) < self.share
            one = int(torch.randint(max(1, size), (), generator=of_item))
            if size and not bool(begins.any()):
                begins[one] = True
            for start in begins.nonzero()[:, 0].tolist():
                hidden[item, start : min(start + self.span, size)] = True
            if self.hole is None:
                noise[item, :, :size] = NOISE * torch.randn(size, d, generator=of_item).T
        return hidden.to(latent.device), noise.to(latent)
