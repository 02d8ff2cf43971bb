"""What to say when a loss or a weight is not a number."""

from pathlib import Path

import torch
from torch import nn

from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction


def check_finite(step: int, batch: Batch, reconstruction: Reconstruction, raw: dict[str, torch.Tensor]) -> None:
    """Raise ValueError naming the first tensor, in the order of the data's path, that is not finite."""
    tensors = {
        "the signal of the batch": batch.signal,
        "the encoder's latent": reconstruction.latent,
        "the quantizer's z_q": reconstruction.quantized.z_q,
        "the decoder's signal": reconstruction.signal,
        **{f"the term {name}": value for name, value in raw.items()},
    }
    first = next((name for name, value in tensors.items() if not torch.isfinite(value).all()), "the weighted total")
    raise ValueError(
        f"the loss is not finite at step {step}: {first} is the first value that holds NaN or infinity "
        f"(batch of {', '.join(batch.keys[:3])}{', …' if len(batch.keys) > 3 else ''}). Lower "
        "optimization.learning_rate, set optimization.autocast=null, or look at those items; "
        "checkpoints/last.ckpt is from before"
    )


def check_weights(module: nn.Module, step: int, checkpoint: Path) -> None:
    """Raise ValueError naming the first parameter or buffer that is not finite: such a state is not worth keeping."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            before = f"{checkpoint} is from before" if checkpoint.is_file() else "no checkpoint was written before"
            raise ValueError(
                f"{name} holds NaN or infinity after step {step}, though the loss was finite: its gradient was not. "
                f"Lower optimization.learning_rate or set optimization.autocast=null; {before}"
            )
