"""Attention of one head within a frame, and along time at each position of it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import SignalLayer


class _Attention(SignalLayer):
    """x + project(attention of query, key and value of norm(x)), each of the width of x."""

    def __init__(self, *, width: int, norm: SignalLayer) -> None:
        super().__init__()
        self.norm = norm
        self.query, self.key, self.value, self.project = (nn.Linear(width, width) for _ in range(4))


class FrameAttention(_Attention):
    """Every position of a frame looks at all positions of the frame."""

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t h w"]:
        """See SignalLayer."""
        b, c, t, h, w = x.shape
        rows = self.norm(x, extent=extent).permute(0, 2, 3, 4, 1).reshape(b, t, h * w, c)
        mask = extent.mask((t, h, w))
        # That of the first frame, which every item has: one beyond an item's end would have nothing to look at.
        seen = None if mask is None else mask[:, :, 0].reshape(b, 1, 1, h * w)
        mixed = F.scaled_dot_product_attention(self.query(rows), self.key(rows), self.value(rows), attn_mask=seen)
        return x + self.project(mixed).view(b, t, h, w, c).permute(0, 4, 1, 2, 3)


class TimeAttention(_Attention):
    """Every position looks at itself and at the same position of the window - 1 frames before."""

    def __init__(self, *, width: int, norm: SignalLayer, window: int) -> None:
        super().__init__(width=width, norm=norm)
        if window < 1:
            raise ValueError(f"window is {window}; attention along time looks at 1 or more frames, its own included")
        self.window = window

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t h w"]:
        """See SignalLayer."""
        rows = self.norm(x, extent=extent).permute(0, 3, 4, 2, 1)  # [b, h, w, t, c]
        query, key, value = self.query(rows), self.key(rows), self.value(rows)
        memory, before = extent.memory, 0
        if memory is not None:
            if self in memory.kept:
                old_key, old_value = memory.kept[self]
                before = old_key.shape[3]
                key, value = torch.cat([old_key, key], 3), torch.cat([old_value, value], 3)
            first = max(0, key.shape[3] - self.window + 1)
            memory.kept[self] = (key[:, :, :, first:].clone(), value[:, :, :, first:].clone())
        places = torch.arange(key.shape[3], device=x.device)
        gap = places[before:, None] - places
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=(gap >= 0) & (gap < self.window))
        return x + self.project(mixed).permute(0, 4, 3, 1, 2)
