"""Cross-entropy over a large vocabulary, tile by tile of the positions: never positions x vocabulary at a time.

    loss_i = log sum_v exp(h_i . e_v) - h_i . e_{y_i},    total = sum_i w_i loss_i
    dtotal/dh_i = w_i (sum_v p_iv e_v - e_{y_i}),    dtotal/de_v = sum_i w_i (p_iv - [v = y_i]) h_i

As the weights are known, the gradients of a tile are made while its logits are there, and nothing is made twice.
"""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 256  # positions: a tile of some ten thousand logits each stays in the cache of a processor


def tied_cross_entropy(
    features: Float[Tensor, "n d"],
    rows: Float[Tensor, "v d"],
    targets: Int64[Tensor, " n"],
    weights: Float[Tensor, " n"],
) -> tuple[Float[Tensor, ""], Float[Tensor, " n"]]:
    """Nats under softmax(features rows^T), in float32: the weighted total, differentiable once, and each target's.

    Gradients go to features and rows alone.
    """
    return _Tiled.apply(features.float(), rows.float(), targets, weights)  # type: ignore[no-any-return]


class _Tiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, rows: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        losses = features.new_empty(len(features))
        learning = any(ctx.needs_input_grad[:2])
        of_features = torch.empty_like(features) if learning else None
        of_rows = torch.zeros_like(rows) if learning else None
        with torch.autocast(features.device.type, enabled=False):
            for start in range(0, len(features), TILE):
                tile = slice(start, start + TILE)
                target = targets[tile, None]
                logits = features[tile] @ rows.T
                chosen = logits.gather(1, target)
                highest = logits.amax(1, keepdim=True)
                likely = logits.sub_(highest).exp_()
                total = likely.sum(1, keepdim=True)
                losses[tile] = (highest + total.log() - chosen)[:, 0]
                if of_features is not None and of_rows is not None:
                    weight = weights[tile, None]
                    likely.mul_(weight / total).scatter_add_(1, target, -weight)
                    torch.mm(likely, rows, out=of_features[tile])
                    of_rows.addmm_(likely.T, features[tile])
        ctx.save_for_backward(of_features, of_rows)
        ctx.mark_non_differentiable(losses)
        return (losses * weights).sum(), losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        of_features, of_rows = ctx.saved_tensors
        return of_features * gradients[0], of_rows * gradients[0], None, None
