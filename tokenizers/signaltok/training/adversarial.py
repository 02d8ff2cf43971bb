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

from signaltok.adversaries.adversary import GENERATOR, MATCHING, Adversary, Judgement
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
        self,
        module: Any,
        batch: Batch,
        reconstruction: Reconstruction,
        raw: dict[str, Tensor],
        *,
        progress: float,
    ) -> tuple[dict[str, Tensor], frozenset[str]]:
        """Both optimizers' step (their gradients alone, where the step has more batches to come).

        raw: the objective's terms. progress: share of the run that is done. Gives what is logged, 0 for what does not
        take part, and the names of what this batch has no value of. Raises ValueError, before the weights change, where
        the adversary's loss is not finite.
        """
        adversary: Adversary = module.adversary
        signal = reconstruction.signal
        logged = {name: signal.new_zeros(()) for name in adversary.logged()}
        number = module.batches_seen % self.batches_a_step
        acts = adversary.acts(progress)
        trains = adversary.trains(progress) and adversary.updates.due(module.steps_done)
        losses, leaf = {}, signal.detach().requires_grad_()
        real = fake = None
        if acts or trains:
            # Nothing of the discriminator changes before its own step: what it says serves both sides.
            with self._autocast(signal):
                fake = adversary.judge(leaf, batch.lengths)
            with self._autocast(signal), torch.set_grad_enabled(trains):
                real = adversary.judge(batch.signal, batch.lengths) if trains or adversary.matching else None
        if acts:
            assert fake is not None
            losses = adversary.of_generator(real, fake)
            logged |= {name: value.detach() for name, value in losses.items()}
            _check_finite(module.batches_seen, {f"{name}'s loss": logged[name] for name in losses})
        if module.balance is not None:
            given = {name: (value.detach(), _slope(value, leaf)) for name, value in losses.items()}
            minimized, balanced = module.balanced(reconstruction, raw, given)
            logged |= balanced
            if losses:
                logged["adaptive_weight"] = balanced["balance_" + GENERATOR]
        else:
            minimized = module.objective.total(raw)
            logged["loss"] = minimized.detach()
            if losses:
                gradient, values = self._weighed(module, minimized, signal, losses, leaf)
                # Has the generator's gradient and not its value: the discriminator is gone back through once.
                minimized = minimized + (signal * gradient).sum()
                logged |= {**values, "loss": logged["loss"] + values["loss"]}
        generator = module.optimizers()[0]
        if number == 0:
            generator.zero_grad()
        module.manual_backward(minimized / self.batches_a_step)
        if trains:
            assert real is not None and fake is not None
            logged |= self._discriminate(module, batch, real, fake, first=number == 0)
        if number == self.batches_a_step - 1:
            self._clip(module, generator.optimizer)
            generator.step()
            if trains:
                self._step_discriminator(module)
        return logged, frozenset() if trains else frozenset(adversary.logged_of_discriminator())

    def _weighed(
        self, module: Any, objective: Tensor, signal: Tensor, losses: dict[str, Tensor], leaf: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted gradient of the generator's losses at the reconstruction; the weight and the weighted loss."""
        adversary: Adversary = module.adversary
        matching = losses.get(MATCHING, leaf.new_zeros(()))
        if adversary.matching is not None:
            matching = adversary.matching.weight * matching
        layer = module.tokenizer.decoder.last_layer.weight
        if adversary.weight.measures:
            gradient = _slope(losses[GENERATOR], leaf)
            weight = adversary.weight.weight(objective=objective, signal=signal, gradient=gradient, layer=layer)
            gradient = weight * gradient
            if MATCHING in losses:
                gradient = gradient + _slope(matching, leaf)
        else:
            weight = adversary.weight.weight(objective=objective, signal=signal, gradient=leaf, layer=layer)
            gradient = _slope(weight * losses[GENERATOR] + matching, leaf)
        _check_finite(module.batches_seen, {"adversary's weight": weight})
        return gradient, {"adaptive_weight": weight, "loss": (weight * losses[GENERATOR] + matching).detach()}

    def _discriminate(
        self, module: Any, batch: Batch, real: Judgement, fake: Judgement, *, first: bool
    ) -> dict[str, Tensor]:
        """The discriminator's gradients of this batch, added to those before."""
        adversary: Adversary = module.adversary
        if first:
            _discriminator_optimizer(module).zero_grad()
        loss, logged = adversary.of_discriminator(real, fake)
        penalty = adversary.penalty(batch.signal, batch.lengths, module.batches_seen)
        loss = loss if penalty is None else loss + penalty
        _check_finite(module.batches_seen, {"discriminator's loss": loss})
        # Not by Lightning: its backward makes the data-parallel wrapper wait for the tokenizer's gradients.
        (loss / self.batches_a_step).backward(inputs=list(adversary.discriminator.parameters()))
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


def _slope(value: Tensor, leaf: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(value, leaf, retain_graph=True)
    return gradient


def _check_finite(batch: int, values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        if not torch.isfinite(value):
            raise ValueError(
                f"the {name} is {float(value.detach())} at batch {batch}. Lower adversary.learning_rate, "
                "give adversary.lecam or adversary.r1, or set optimization.autocast=null; "
                "checkpoints/last.ckpt is from before"
            )
