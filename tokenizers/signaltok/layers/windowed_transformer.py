"""The causal Transformer with a window of Mimi (Défossez et al. 2024, section 3.1.2).

Pre-norm blocks without biases, rotary positions, a learned scale on each residual branch (Touvron et al. 2021,
LayerScale). Only differences of positions matter to the rotation, so keys are kept as they were before it and every
piece counts from its own beginning: what is remembered and how exact it is do not change with the length of a signal.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.rotary import rotated
from signaltok.layers.signal_layer import Place, SignalLayer


class WindowedBlock(nn.Module):
    """x + scale * attention(norm(x)), then x + scale * mlp(norm(x)); a position sees window places, its own last."""

    def __init__(self, *, width: int, heads: int, inner: int, window: int, layer_scale: float) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, width, bias=False)
        self.scale_attention = nn.Parameter(torch.full((width,), layer_scale))
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, inner, bias=False)
        self.mlp_out = nn.Linear(inner, width, bias=False)
        self.scale_mlp = nn.Parameter(torch.full((width,), layer_scale))

    def forward(self, x: Float[Tensor, "b n d"], *, extent: Extent) -> Float[Tensor, "b n d"]:
        """Same shape."""
        b, n, d = x.shape
        parts = self.query_key_value(self.norm_attention(x)).view(b, n, 3, self.heads, d // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if extent.memory is not None:
            kept = extent.memory.kept.get(self)
            if kept is not None:
                key, value = torch.cat([kept[0], key], dim=2), torch.cat([kept[1], value], dim=2)
            start = max(0, key.shape[2] - self.window + 1)
            extent.memory.kept[self] = (key[:, :, start:].clone(), value[:, :, start:].clone())
        places = torch.arange(key.shape[2], device=x.device)
        own = places[-n:]
        distance = own[:, None] - places[None, :]
        mask = (distance >= 0) & (distance < self.window)
        mixed = F.scaled_dot_product_attention(rotated(query, own), rotated(key, places), value, attn_mask=mask)
        x = x + self.scale_attention * self.project(mixed.transpose(1, 2).reshape(b, n, d))
        return x + self.scale_mlp * self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(x))))


class WindowedTransformer(SignalLayer):
    """x [b, width, l] -> the same; inner: width inside the MLPs. It looks depth * (window - 1) positions back."""

    def __init__(self, *, width: int, depth: int, heads: int, inner: int, window: int, layer_scale: float) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width {width} must be a multiple of 2 x heads ({2 * heads})")
        self.back = depth * (window - 1)
        self.blocks = nn.ModuleList(
            WindowedBlock(width=width, heads=heads, inner=inner, window=window, layer_scale=layer_scale)
            for _ in range(depth)
        )

    def forward(self, x: Float[Tensor, "b c l"], *, extent: Extent) -> Float[Tensor, "b c l"]:
        """See SignalLayer."""
        tokens = x.transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens, extent=extent)
        return tokens.transpose(1, 2)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return first - self.back, last
