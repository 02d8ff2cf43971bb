"""Attention within windows that lie side by side (SNAC, Siuzdak et al. 2024, section 3.3)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.rotary import rotated
from signaltok.layers.signal_layer import Place, SignalLayer


class LocalAttention(SignalLayer):
    """x + attention(norm(x)) in windows of `window` positions counted from the signal's beginning.

    Positions beyond an item's end are attended to by none. As the windows' places follow from the beginning of the
    signal, a piece from its middle cannot be computed alone, and it has no receptive field.
    """

    causal = False

    def __init__(self, *, width: int, window: int, head_dim: int) -> None:
        super().__init__()
        if width % head_dim:
            raise ValueError(f"width {width} must be a multiple of head_dim {head_dim}")
        self.window, self.heads = window, width // head_dim
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, width, bias=False)

    def forward(self, x: Float[Tensor, "b c l"], *, extent: Extent) -> Float[Tensor, "b c l"]:
        """See SignalLayer."""
        b, d, n = x.shape
        missing = -n % self.window
        tokens = F.pad(extent.silenced(x), (0, missing)).transpose(1, 2)
        valid = F.pad(torch.ones(b, 1, n, dtype=torch.bool, device=x.device) & _all(extent.mask((n,))), (0, missing))
        parts = self.query_key_value(self.norm(tokens))
        parts = parts.view(b, -1, self.window, 3, self.heads, d // self.heads)
        query, key, value = parts.permute(3, 0, 4, 1, 2, 5)  # each [b, heads, windows, window, head]
        places = torch.arange(self.window, device=x.device)
        mask = valid.view(b, 1, -1, 1, self.window)
        # A window with no valid position at all lies beyond the item; it may see itself, as nothing reads it.
        mask = mask | ~mask.any(-1, keepdim=True)
        mixed = F.scaled_dot_product_attention(rotated(query, places), rotated(key, places), value, attn_mask=mask)
        mixed = mixed.permute(0, 2, 3, 1, 4).reshape(b, -1, d)[:, :n]
        return x + self.project(mixed).transpose(1, 2)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:  # noqa: ARG002
        """See SignalLayer."""
        return -math.inf, math.inf


def _all(mask: Tensor | None) -> Tensor | bool:
    return True if mask is None else mask
