"""Cross-entropy over a large vocabulary, tile by tile of the positions: never positions x vocabulary at a time.

    loss_i = log sum_v exp(h_i . e_v) - h_i . e_{y_i}
    dloss_i/dh_i = sum_v p_iv e_v - e_{y_i},    dloss_i/de_v = (p_iv - [v = y_i]) h_i

The backward pass makes each tile's logits again, which costs a third more arithmetic and saves the memory of them all.
"""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 256  # positions: a tile of some ten thousand logits each stays in the cache of a processor


def tied_cross_entropy(
    features: Float[Tensor, "n d"], rows: Float[Tensor, "v d"], targets: Int64[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Nats of each target under softmax(features rows^T), in float32, differentiable once."""
    return _Tiled.apply(features.float(), rows.float(), targets)  # type: ignore[no-any-return]


class _Tiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, rows: Tensor, targets: Tensor) -> Tensor:
        totals, losses = features.new_empty(len(features)), features.new_empty(len(features))
        with torch.autocast(features.device.type, enabled=False):
            for start in range(0, len(features), TILE):
                tile = slice(start, start + TILE)
                logits = features[tile] @ rows.T
                totals[tile] = logits.logsumexp(1)
                losses[tile] = totals[tile] - logits.gather(1, targets[tile, None])[:, 0]
        ctx.save_for_backward(features, rows, targets, totals)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        features, rows, targets, totals = ctx.saved_tensors
        of_features, of_rows = torch.empty_like(features), torch.zeros_like(rows)
        with torch.autocast(features.device.type, enabled=False):
            for start in range(0, len(features), TILE):
                tile = slice(start, start + TILE)
                own = (features[tile] @ rows.T).sub_(totals[tile, None]).exp_()
                own.scatter_add_(1, targets[tile, None], own.new_full((len(own), 1), -1.0))
                own.mul_(gradient[tile, None])
                torch.mm(own, rows, out=of_features[tile])
                of_rows.addmm_(own.T, features[tile])
        return of_features, of_rows, None
