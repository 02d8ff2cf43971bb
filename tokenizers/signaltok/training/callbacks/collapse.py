"""A warning while it can still help: few of the codes are used, and what is known to help against that."""

import logging
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from signaltok.training.module import TokenizerModule

ADVICE = (
    "try quantizer.revival (dead codes start again), quantizer.initialization with k-means, a smaller "
    "quantizer.codebook_dim, quantizer.metric=cosine, a smaller quantizer.codebook_size, or a lower "
    "optimization.learning_rate"
)
log = logging.getLogger("signaltok")


class CollapseWarning(Callback):
    """Warns when usage falls under `threshold` of what as many tokens would use if all codes were equally likely.

    Looks at the values that are logged, after the share `after` of the run, and warns again only after a recovery.
    """

    def __init__(self, *, threshold: float, after: float) -> None:
        if not 0 < threshold < 1 or not 0 <= after <= 1:
            raise ValueError(
                f"callbacks.collapse.threshold is {threshold} and after {after}; both are shares, threshold above 0 "
                "and under 1, after 0 to 1"
            )
        self.threshold = threshold
        self.after = after
        self._warned = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the window that was handed over last."""
        assert isinstance(pl_module, TokenizerModule), f"a {type(pl_module).__name__} has no codes to look at"
        usage = pl_module.window.relative_usage
        if usage is None or trainer.global_step < self.after * trainer.max_steps:
            return
        if usage >= self.threshold:
            self._warned = False
        elif not self._warned and trainer.is_global_zero:
            self._warned = True
            log.warning(
                "the codebook is collapsing: at step %d the least used level has %.1f %% of the codes in use that "
                "its tokens could reach; %s",
                trainer.global_step,
                100 * usage,
                ADVICE,
            )
