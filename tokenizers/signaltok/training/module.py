"""TokenizerModule: batch -> tokenizer -> objective -> loss, with its own batch counter and cheap logging.

Logging at every step costs Lightning 3 to 5 times the step of a small model, so the terms are summed up in tensors
(log_window.py) and handed over once every log_every_n_steps.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from signaltok.adversaries.adversary import Adversary
from signaltok.artifact.describe import describe
from signaltok.artifact.training_state import OWNERS, Moments
from signaltok.data.collate import check_range
from signaltok.metrics.evaluation import Evaluation, evaluate
from signaltok.objectives.objective import Objective
from signaltok.objectives.reducer import Reducer
from signaltok.tokenizer import Tokenizer
from signaltok.training.adversarial import IGNORED, AdversarialStep, GradientClip, left_to_this_file
from signaltok.training.autocast_check import complaint
from signaltok.training.data_module import RunData
from signaltok.training.non_finite import check_finite
from signaltok.training.optimization import AdamWCosine
from signaltok.training.pictures_first import PicturesFirst
from signaltok.training.run_module import RunModule
from signaltok.training.start import describe_alignment, take_discriminator, take_moments, training_state
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction

ITEMS = 2  # of the first batch, by which the precision is judged
_log = logging.getLogger(__name__)


class TokenizerModule(RunModule):
    """Trains a tokenizer for an objective, and against an adversary where there is one (adversarial.py).

    last_evaluation: the split of the last validation and what it gave, for whoever shows it. pictures_until: the share
    of the run in which a video tokenizer sees single frames alone; None for none.
    """

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        objective: Objective,
        adversary: Adversary | None,
        balance: Reducer | None,
        pictures_until: float | None,
        optimization: AdamWCosine,
        metrics: dict[str, Any],
        max_steps: int,
        batches_a_step: int,
        clip: GradientClip,
        log_every_n_steps: int,
        record: dict[str, Any],
    ) -> None:
        super().__init__(
            optimization=optimization,
            max_steps=max_steps,
            batches_a_step=batches_a_step,
            log_every_n_steps=log_every_n_steps,
            record=record,
            codebook_sizes=tokenizer.quantizer.codebook_sizes,
        )
        objective.check(tokenizer.quantizer)
        objective.lead(tokenizer.encoder)
        self.tokenizer = tokenizer
        self.objective = objective
        self.adversary = adversary
        self.balance = balance
        self.pictures_first = None if pictures_until is None else PicturesFirst(tokenizer, pictures_until)
        self.validation_metrics = metrics
        self.last_evaluation: tuple[str, Evaluation] | None = None
        self._moments: dict[str, Moments] = {}
        self._adversarial_step: AdversarialStep | None = None
        if balance is not None:
            balance.watch({**objective.weights, **({} if adversary is None else adversary.shares())})
        if adversary is not None:
            adversary.check(axes=tokenizer.encoder.axes, channels=tokenizer.encoder.channels)
            self.automatic_optimization = False
            setattr(self, IGNORED, left_to_this_file(adversary))
            self._adversarial_step = AdversarialStep(
                adversary,
                tokenizer.decoder,
                clip=clip,
                batches_a_step=batches_a_step,
                autocast=optimization.autocast,
            )

    def start_from(self, path: Path) -> None:
        """Begin with the discriminator and the moments of the optimizers that an exported folder may hold."""
        state = training_state(path)
        if state is None:
            return
        self._moments = dict(state.moments)
        if self.adversary is not None:
            take_discriminator(self.adversary.discriminator, state, path)

    def configure_optimizers(self) -> torch.optim.Optimizer | list[torch.optim.Optimizer]:
        """AdamW over every trainable parameter, its rate set before each step; the discriminator's own beside it."""
        parameters = [*self.tokenizer.parameters(), *self.objective.parameters()]
        optimizers = [self.optimization.optimizer(p for p in parameters if p.requires_grad)]
        if self.adversary is not None:
            optimizers.append(self.adversary.optimizer())
        for owner, optimizer in zip(OWNERS, optimizers, strict=False):
            if owner in self._moments:
                take_moments(optimizer, self._moments.pop(owner))
        return optimizers[0] if self.adversary is None else optimizers

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the progress and the learning rate of this step."""
        progress = self._progress
        if self.pictures_first is not None:
            self.pictures_first.begin_step(self.batches_seen, self.max_steps * self.batches_a_step)
        self.tokenizer.quantizer.advance(progress)
        self.objective.advance(progress)
        super().on_train_batch_start(batch, batch_idx)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """The loss of a batch; with an adversary the whole step. ValueError, before it, where a loss is not finite."""
        if self.window.is_empty:
            check_range(batch, self.tokenizer.value_range)
        if not self.batches_seen:
            self._check_precision(batch)
        if self.pictures_first is not None:
            batch = self.pictures_first.seen(batch, self._progress)
        reconstruction = self.reconstruct(batch)
        raw = self.objective.values(batch, reconstruction)
        total = self.objective.total(raw)
        if not torch.isfinite(total):
            check_finite(self.batches_seen, batch, reconstruction, raw)
        logged, absent = {"loss": total.detach()}, frozenset[str]()
        if self._adversarial_step is not None:
            share = self.steps_done / self.max_steps
            logged, absent = self._adversarial_step(self, batch, reconstruction, raw, progress=share)
        elif self.balance is not None:
            total, logged = self.balanced(reconstruction, raw, {})
        self.batches_seen += 1
        values = {**logged, **{name: value.detach() for name, value in raw.items()}}
        self.window.add(values, reconstruction.quantized.codes, reconstruction.mask, absent)
        self.log_window_if_due()
        return total if self._adversarial_step is None else None

    def _check_precision(self, batch: Batch) -> None:
        how = self.optimization.autocast
        if how is None or self.trainer.world_size > 1:  # several processes may each hold a part of the weights
            return
        lengths = None if batch.lengths is None else batch.lengths[:ITEMS]
        words = complaint(self.tokenizer, batch.signal[:ITEMS], lengths, how)
        if words is not None:
            _log.warning(words)

    @property
    def _progress(self) -> float:
        """The share of the run that is done before this batch."""
        return self.batches_seen / (self.max_steps * self.batches_a_step)

    def balanced(
        self, reconstruction: Reconstruction, raw: dict[str, Tensor], given: dict[str, tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What is minimized under the balance, and what is logged; arguments as of Reducer.minimized."""
        assert self.balance is not None, "asked for only where there is a balance"
        return self.balance.minimized(reconstruction, raw, given, self.batches_a_step)

    def reconstruct(self, batch: Batch) -> Reconstruction:
        """The training forward: encoder and decoder under autocast, quantizer and what follows in float32."""
        signal, how = batch.signal, self.optimization
        if how.channels_last and signal.ndim == 4:
            signal = signal.to(memory_format=torch.channels_last)
        if how.autocast is None:
            return self.tokenizer(signal, batch.lengths)
        with torch.autocast(signal.device.type, how.autocast):
            reconstruction = self.tokenizer(signal, batch.lengths)
        return replace(reconstruction, signal=reconstruction.signal.float(), latent=reconstruction.latent.float())

    def validation_step(self, split: str, batch_idx: int) -> None:
        """Evaluate a whole split: the one function that gives the numbers everywhere."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, RunData), "the trainer was given the data of the run"
        evaluation = evaluate(
            self.tokenizer,
            data.eval_batches(split),
            metrics=self.validation_metrics,
            alignment=self.objective.alignment,
        )
        self.last_evaluation = (split, evaluation)
        self.log_values({f"{split}/{name}": value for name, value in evaluation.values.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resume needs, and what an export needs: plain data alone."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["tokenizer_description"] = describe(self.tokenizer)
        checkpoint["discriminator_description"] = (
            None if self.adversary is None else describe(self.adversary.discriminator)
        )
        checkpoint["alignment_description"] = describe_alignment(self.objective)
