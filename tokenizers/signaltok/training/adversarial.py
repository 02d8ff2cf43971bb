"""The step of a batch with an adversary: the tokenizer's optimizer, then the discriminator's, by hand.

Lightning knows one optimizer in automatic optimization, counts one step for each that it is asked to step, and reduces
gradients between processes within the forward of the whole module. So here:

- the tokenizer's optimizer is stepped through Lightning, the discriminator's is not: the trainer's global_step counts
  the steps of the run, as without an adversary, and so do max_steps, checkpoints and averages;
- the discriminator's parameters are left out of the data-parallel wrapper (IGNORED below), and their gradients are
  averaged over the processes here, once a step;
- gradients are clipped here, each optimizer's by themselves, and batches are accumulated here.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from signaltok.adversaries.adversary import Adversary
from signaltok.exactness import keep_in_full_precision
from signaltok.parts import Decoder
from signaltok.processes import in_group, place, sum_over_group
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction

IGNORED = "_ddp_params_and_buffers_to_ignore"  # the attribute in which DistributedDataParallel looks


@dataclass(frozen=True)
class GradientClip:
    """How gradients are clipped: the trainer's own keys, which Lightning refuses with several optimizers."""

    value: float | None
    algorithm: str | None


class AdversarialStep:
    """Takes the steps of a module that has an adversary. autocast: of the discriminator, None for float32."""

    def __init__(
        self,
        adversary: Adversary,
        decoder: Decoder,
        *,
        clip: GradientClip,
        batches_a_step: int,
        autocast: torch.dtype | None,
    ) -> None:
        self.clip = clip
        self.batches_a_step = batches_a_step
        self.autocast = autocast
        if adversary.weight.measures:
            keep_in_full_precision(decoder.last_layer)

    def __call__(
        self, module: Any, batch: Batch, reconstruction: Reconstruction, total: Tensor, *, progress: float
    ) -> dict[str, Tensor]:
        """Both optimizers' step (their gradients alone, where the step has more batches to come); what is logged.

        total: the objective's value. progress: share of the run that is done. Values of what does not take part yet
        are 0. Raises ValueError, before the weights change, where the adversary's loss is not finite.
        """
        adversary: Adversary = module.adversary
        logged = {"loss": total.detach(), **{name: total.new_zeros(()) for name in adversary.logged()}}
        number = module.batches_seen % self.batches_a_step
        minimized = total
        if adversary.acts(progress):
            with self._autocast(batch.signal):
                value, gradient = adversary.of_generator(reconstruction.signal, batch.lengths)
            weight = adversary.weight.weight(
                objective=total,
                signal=reconstruction.signal,
                gradient=gradient,
                layer=module.tokenizer.decoder.last_layer.weight,
            )
            _check_finite(module.batches_seen, {"generator's loss": value, "adversary's weight": weight})
            # Has the generator's gradient and not its value: the discriminator is gone through once.
            minimized = total + weight * (reconstruction.signal * gradient).sum()
            logged |= {"generator": value, "adaptive_weight": weight, "loss": total.detach() + weight * value}
        generator = module.optimizers()[0]
        if number == 0:
            generator.zero_grad()
        module.manual_backward(minimized / self.batches_a_step)
        if adversary.trains(progress):
            logged |= self._discriminate(module, batch, reconstruction, first=number == 0)
        if number == self.batches_a_step - 1:
            self._clip(module, generator.optimizer)
            generator.step()
            if adversary.trains(progress):
                self._step_discriminator(module)
        return logged

    def _discriminate(
        self, module: Any, batch: Batch, reconstruction: Reconstruction, *, first: bool
    ) -> dict[str, Tensor]:
        """The discriminator's gradients of this batch, added to those before."""
        if first:
            _discriminator_optimizer(module).zero_grad()
        with self._autocast(batch.signal):
            loss, logged = module.adversary.of_discriminator(
                batch.signal, reconstruction.signal, batch.lengths, module.batches_seen
            )
        _check_finite(module.batches_seen, {"discriminator's loss": loss})
        # Not by Lightning: its backward makes the data-parallel wrapper wait for the tokenizer's gradients.
        (loss / self.batches_a_step).backward()
        return logged

    def _step_discriminator(self, module: Any) -> None:
        optimizer = _discriminator_optimizer(module)
        if in_group():
            for parameter in module.adversary.discriminator.parameters():
                assert parameter.grad is not None, "every parameter of a discriminator takes part"
                parameter.grad.copy_(sum_over_group(parameter.grad) / place()[1])
        self._clip(module, optimizer)
        optimizer.step()

    def _clip(self, module: pl.LightningModule, optimizer: torch.optim.Optimizer) -> None:
        module.clip_gradients(optimizer, self.clip.value, self.clip.algorithm)

    def _autocast(self, like: Tensor) -> AbstractContextManager:
        return nullcontext() if self.autocast is None else torch.autocast(like.device.type, self.autocast)


def left_to_this_file(adversary: nn.Module) -> list[str]:
    """Names, in the module, of what the data-parallel wrapper must leave alone."""
    named = [name for name, _ in adversary.named_parameters()] + [name for name, _ in adversary.named_buffers()]
    return [f"adversary.{name}" for name in named]


def _discriminator_optimizer(module: Any) -> torch.optim.Optimizer:
    """Lightning's own object around it would count a step."""
    return module.optimizers(use_pl_optimizer=False)[1]


def _check_finite(batch: int, values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        if not torch.isfinite(value):
            raise ValueError(
                f"the {name} is {float(value.detach())} at batch {batch}. Lower adversary.learning_rate, "
                "give adversary.lecam or adversary.r1, or set optimization.autocast=null; "
                "checkpoints/last.ckpt is from before"
            )
