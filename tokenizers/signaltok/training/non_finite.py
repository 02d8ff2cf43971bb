"""What to say when a loss is not a number."""

import torch

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
