"""Whether this machine's lower precision computes what float32 does, asked once, before a run's first step.

Libraries have had shapes for which bfloat16 gave noise, and a run that trains on noise says nothing of it.
"""

import torch
from torch import Tensor

from signaltok.tokenizer import Tokenizer

MOST = 0.3  # of the norm; rounding to bfloat16 is a few hundredths behind two dozen layers


def deviations(tokenizer: Tokenizer, signal: Tensor, lengths: Tensor | None, autocast: torch.dtype) -> dict[str, float]:
    """|low - float32| / |float32| of the latent, of what is decoded from it, and of the gradient of the parameters.

    In eval mode and without the quantizer, so without draws; the gradient is that of a random sum of what came last.
    signal: a batch in float32, on the tokenizer's device.
    """
    was_training = tokenizer.training
    tokenizer.eval()
    try:
        exact, low = (_values(tokenizer, signal, lengths, kind) for kind in (None, autocast))
    finally:
        tokenizer.train(was_training)
    return {
        name: float((low[name] - exact[name]).norm() / exact[name].norm().clamp_min(torch.finfo(torch.float32).tiny))
        for name in exact
    }


def _values(
    tokenizer: Tokenizer, signal: Tensor, lengths: Tensor | None, autocast: torch.dtype | None
) -> dict[str, Tensor]:
    with torch.autocast(signal.device.type, autocast, enabled=autocast is not None), torch.enable_grad():
        latent = tokenizer.encoder(signal, lengths)
        values = {"latent": latent}
        if tokenizer.decoder.tokens is None and tokenizer.decoder.reconstructs:
            values["reconstruction"] = tokenizer.decoder(latent, None)
    last = list(values.values())[-1].float()
    weights = torch.randn(last.shape, generator=torch.Generator().manual_seed(0)).to(last)
    parameters = [parameter for parameter in tokenizer.parameters() if parameter.requires_grad]
    found = torch.autograd.grad((last * weights).sum(), parameters, allow_unused=True) if last.requires_grad else ()
    slopes = [slope.flatten().float() for slope in found if slope is not None]
    told = {name: value.detach().float() for name, value in values.items()}
    return told | ({"gradient": torch.cat(slopes)} if slopes else {})


def complaint(tokenizer: Tokenizer, signal: Tensor, lengths: Tensor | None, autocast: torch.dtype) -> str | None:
    """What to tell the user where the precision cannot be trusted; None where it can."""
    far = {name: value for name, value in deviations(tokenizer, signal, lengths, autocast).items() if not value <= MOST}
    if not far:
        return None
    told = ", ".join(f"{name} {value:.0%}" for name, value in far.items())
    return (
        f"in {str(autocast).removeprefix('torch.')} the first batch is far from what it is in float32 on this machine "
        f"({told} of the norm; {MOST:.0%} would be much): training may go wrong. Set optimization.autocast=null"
    )
