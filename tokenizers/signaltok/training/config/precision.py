"""The precision in which this machine trains fast: bfloat16 where the hardware computes in it, else float32."""

import torch


def fast_autocast(accelerator: str) -> str | None:
    """The value of optimization.autocast for trainer.accelerator: "bf16", or None on a CPU that only emulates bfloat16.

    Emulated, a step takes several times as long as in float32. A run's config holds the answer, so a run that is
    repeated or resumed elsewhere keeps its precision.
    """
    if accelerator != "cpu" and (accelerator != "auto" or torch.accelerator.is_available()):
        return "bf16"
    return "bf16" if any(has for name, has in torch.cpu.get_capabilities().items() if name.endswith("bf16")) else None
