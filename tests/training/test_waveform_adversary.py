"""The waveform discriminators in the step of a run: one-axis tokenizers on synthetic signals, some of them short."""

import pytest
import pytorch_lightning as pl
import torch
from tiny_runs import composed
from torch.utils.data import DataLoader

from signaltok.adversaries.adversary import Adversary
from signaltok.adversaries.updates import EveryStep
from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.objectives.objective import Objective
from signaltok.objectives.pixel import AbsoluteError
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.adversarial import GradientClip
from signaltok.training.callbacks.weight_averaging import WarmWeightAveraging
from signaltok.training.config.build import build
from signaltok.training.config.resolve import plain
from signaltok.training.module import TokenizerModule
from signaltok.types.batch import Batch

STEPS = 2


class Signals(pl.LightningDataModule):
    def train_dataloader(self):
        lengths = torch.tensor([[4096], [300]])
        time = torch.arange(4096) / 4096
        tones = [torch.sin(2 * torch.pi * 200 * (n + 1) * time) for n in range(2)]
        signal = torch.stack(tones)[:, None] * (torch.arange(4096) < lengths[:, :, None])
        batches = [Batch(signal=signal, keys=("tone", "short"), lengths=lengths) for _ in range(STEPS)]
        return DataLoader(batches, batch_size=None)

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        return batch


def module(adversary: str, balanced: bool) -> TokenizerModule:
    settings = plain(composed("paths.output_dir=run", f"adversary={adversary}", "balance=encodec",
                              "encoder.axes=1", "encoder.channels=1"))  # fmt: skip
    shape = {"axes": 1, "channels": 1, "stride": 16, "widths": [8, 8], "depth": 1, "latent_dim": 4}
    return TokenizerModule(
        tokenizer=Tokenizer(
            encoder=ConvEncoder(**shape), quantizer=FiniteScalarQuantizer(
            latent_dim=4, levels=[5, 5, 5, 5], estimator=StraightThrough()
        ),
            decoder=ConvDecoder(**shape), value_range=(-1.0, 1.0), block=1024, sample_rate=None,
        ),
        objective=Objective(terms={"reconstruction": AbsoluteError()}, weights={"reconstruction": 1.0}),
        adversary=build(settings["adversary"]), balance=build(settings["balance"]) if balanced else None,
        pictures_until=None,
        optimization=build(settings["optimization"]), metrics={}, max_steps=STEPS, batches_a_step=1,
        clip=GradientClip(value=None, algorithm="norm"), log_every_n_steps=1, record={},
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("balanced", [False, True], ids=["sum", "balanced"])
@pytest.mark.parametrize("adversary", ["multi_scale_stft", "multi_period_band", "waveform_stft"])
def test_tokenizer_and_every_discriminator_learn(adversary, balanced, monkeypatch):
    judged, judge = [], Adversary.judge
    monkeypatch.setattr(Adversary, "judge", lambda *given: judged.append(1) or judge(*given))
    made = module(adversary, balanced)
    before = {name: value.detach().clone() for name, value in made.named_parameters()}
    made.adversary.updates = EveryStep(every=1)  # so that two steps are enough
    trainer = pl.Trainer(
        max_steps=STEPS, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        callbacks=[WarmWeightAveraging(decay=0.9)],
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(made, datamodule=Signals())
    assert len(judged) == 2 * STEPS, "what is said of original and reconstruction serves both sides"
    unmoved = [name for name, value in made.named_parameters() if torch.equal(value, before[name])]
    # Within the hinge's margin of 1 its two sides pull the bias of a logit in opposite directions, as hard.
    assert all(name.startswith("adversary.") and ".heads." in name and name.endswith(".bias") for name in unmoved)
    logged = made.last_values
    assert all(torch.isfinite(torch.tensor(value)) for value in logged.values())
    assert {"train/generator", "train/matching", "train/discriminator", "train/adaptive_weight"} <= logged.keys()
    assert logged["train/matching"] > 0
    if balanced:
        assert min(logged[f"train/balance_{name}"] for name in ("reconstruction", "generator", "matching")) > 0
