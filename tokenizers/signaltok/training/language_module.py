"""LanguageModule: windows of ids -> GPT -> cross-entropy."""

from typing import Any

import torch
from torch import Tensor

from signaltok.artifact.describe import describe
from signaltok.language.evaluation import evaluate_language
from signaltok.language.gpt import GPT
from signaltok.language.proof import shares
from signaltok.language.token_batch import TokenBatch
from signaltok.language.token_data import TokenData
from signaltok.training.data_module import RunData
from signaltok.training.optimization import AdamWCosine
from signaltok.training.run_module import RunModule


class LanguageModule(RunModule):
    """Trains a language model on the stream of a TokenData."""

    def __init__(
        self,
        *,
        model: GPT,
        data: TokenData,
        optimization: AdamWCosine,
        max_steps: int,
        batches_a_step: int,
        log_every_n_steps: int,
        record: dict[str, Any],
    ) -> None:
        super().__init__(
            optimization=optimization,
            max_steps=max_steps,
            batches_a_step=batches_a_step,
            log_every_n_steps=log_every_n_steps,
            record=record,
            codebook_sizes=(),
        )
        self.model = model
        self.data = data
        self.names = data.kinds

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over all parameters, its rate set before each step."""
        return self.optimization.optimizer(self.model.parameters())

    def training_step(self, batch: TokenBatch, batch_idx: int) -> Tensor:
        """The mean over the ids of a batch by their kinds' weights, in nats. ValueError where it is not finite."""
        with torch.autocast(batch.ids.device.type, self.optimization.autocast, self.optimization.autocast is not None):
            loss, losses = self.model.losses(batch.ids, shares(batch.segments, self.data.weights))
        if not torch.isfinite(loss):
            raise ValueError(
                f"the loss is not finite at step {self.batches_seen}. Lower optimization.learning_rate or set "
                "optimization.autocast=null; checkpoints/last.ckpt is from before"
            )
        values, absent = self._by_segment(losses, batch.segments[:, 1:])
        self.batches_seen += 1
        self.window.add({"loss": loss.detach(), **values}, (), None, absent)
        self.log_window_if_due()
        return loss

    def _by_segment(self, losses: Tensor, segments: Tensor) -> tuple[dict[str, Tensor], frozenset[str]]:
        """The mean loss of each kind of segment, and the names of the kinds that the batch has none of."""
        kinds = segments.clamp_min(0).flatten()
        sums = losses.new_zeros(len(self.names)).index_add_(0, kinds, losses.flatten())
        counts = torch.bincount(kinds, minlength=len(self.names))
        means = sums / counts.clamp_min(1)
        absent = frozenset(f"loss_{name}" for name, count in zip(self.names, counts.tolist(), strict=True) if not count)
        return {f"loss_{name}": mean for name, mean in zip(self.names, means, strict=True)}, absent

    def validation_step(self, split: str, batch_idx: int) -> None:
        """Evaluate a whole split."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, RunData), "the trainer was given the data of the run"
        own = self.data.splits[split]  # type: ignore[index]
        values = evaluate_language(self.model, data.eval_batches(split), self.data.vocabulary, own)
        self.log_values({f"{split}/{name}": value for name, value in values.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the model is built from."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["language_model_description"] = describe(self.model)
        checkpoint["vocabulary"] = self.data.vocabulary.identity
