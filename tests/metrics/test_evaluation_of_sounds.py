import math

import pytest
import torch
from tiny_tokenizer import TwoSigns

from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.metrics.codes import summarize_counts
from signaltok.metrics.distortion import Metric
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.kept import ITEMS, SECONDS
from signaltok.metrics.sound import ScaleInvariantRatio
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import Uniform
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch

RATE = 800


def sound_tokenizer(quantizer=None):
    torch.manual_seed(0)
    sizes = {"axes": 1, "channels": 1, "stride": 8, "widths": [8], "depth": 0, "latent_dim": 3}
    return Tokenizer(
        encoder=ConvEncoder(**sizes),
        quantizer=quantizer or TwoSigns(latent_dim=3),
        decoder=ConvDecoder(**sizes),
        value_range=(-1.0, 1.0),
        block=6400,
        sample_rate=RATE,
    )


def batches(lengths=None):
    generator = torch.Generator().manual_seed(1)
    return [
        Batch(
            signal=torch.rand(4, 1, 1600, generator=generator) - 0.5,
            keys=tuple(f"{number}-{item}" for item in range(4)),
            lengths=lengths,
        )
        for number in range(3)
    ]


def test_rates_are_bits_a_second_and_no_bits_a_pixel():
    values = evaluate(sound_tokenizer(), batches(), metrics={}).values
    assert "bits_per_pixel" not in values
    assert values["bitrate"] == pytest.approx(RATE / 8 * (2 + 1))
    bits = [values[f"entropy_{level}"] for level in (0, 1)]
    assert values["effective_bitrate"] == pytest.approx(RATE / 8 * sum(bits)) and sum(bits) < 3


def test_rates_of_even_and_lame_levels_have_closed_forms():
    values = summarize_counts((torch.full((16,), 3), torch.tensor([6, 0])), 800, (50.0, 25.0))
    assert values["bitrate"] == 50 * 4 + 25 * 1 and values["effective_bitrate"] == pytest.approx(50 * 4)


def test_the_nominal_rate_does_not_depend_on_how_much_is_padded():
    lengths = torch.tensor([[1600], [9], [801], [1]])
    assert evaluate(sound_tokenizer(), batches(lengths), metrics={}).values["bitrate"] == pytest.approx(300)


def test_sounds_are_kept_whole_with_their_own_codes():
    lengths = torch.tensor([[1600], [9], [801], [1]])
    model, data = sound_tokenizer(), batches(lengths)
    found = evaluate(model, data, metrics={})
    assert found.pictures is None and found.sounds is not None
    kept = found.sounds
    assert len(kept.keys) == ITEMS and kept.sample_rate == RATE
    for original, back, codes, key in zip(kept.originals, kept.reconstructions, kept.codes, kept.keys, strict=True):
        batch, row = data[int(key[0])], int(key[2])
        length = int(lengths[row])
        assert torch.equal(original, batch.signal[row, :, :length])
        stack = model.encode(batch.signal[row : row + 1, :, :length])
        assert torch.equal(back, model.decode(stack)[0].clamp(-1, 1))
        assert all(torch.equal(a, b[0]) for a, b in zip(codes, stack.levels, strict=True))


def test_long_sounds_are_kept_to_their_first_seconds():
    batch = Batch(signal=torch.rand(1, 1, (SECONDS + 3) * RATE) - 0.5, keys=("long",))
    kept = evaluate(sound_tokenizer(), [batch], metrics={}).sounds
    assert kept is not None and kept.originals[0].shape[1] == SECONDS * RATE
    assert [len(level) for level in kept.codes[0]] == [SECONDS * RATE // 8] * 2


class Some(Metric):
    """1 for items of more than 100 samples, no value for others."""

    def measure(self, signal, reconstruction, value_range, lengths):
        return torch.where(lengths[:, 0] > 100, 1.0, torch.nan)

    def words(self):
        return "counts"


class Never(Some):
    def measure(self, signal, reconstruction, value_range, lengths):
        return torch.full((len(signal),), torch.nan)


def test_items_without_a_value_are_left_out_and_counted():
    lengths = torch.tensor([[1600], [9], [801], [1]])
    found = evaluate(sound_tokenizer(), batches(lengths), metrics={"some": Some(), "never": Never()})
    assert found.values["some"] == 1 and "never" not in found.values
    assert found.protocols["some"] == "counts; 6 of 12 items have no value and are left out"
    assert found.protocols["never"].startswith("counts; 12 of 12 items")


def test_a_model_that_gives_no_numbers_is_seen():
    model = sound_tokenizer()
    model.decoder.project.bias.data.fill_(math.nan)
    found = evaluate(model, batches(), metrics={"si_sdr": ScaleInvariantRatio()})
    assert math.isnan(found.values["si_sdr"]) and "left out" not in found.protocols["si_sdr"]


def residual():
    return ResidualQuantizer(
        latent_dim=3, num_codebooks=3, shared=False, rescale=1.0, dropout=0.0,
        level=VectorQuantizer(
            latent_dim=3, codebook_size=8, codebook_dim=3, metric="euclidean",
            update=ExponentialMovingAverage(decay=0.9, epsilon=1e-5), estimator=StraightThrough(),
            initialization=Uniform(), revival=None,
        ), choices=None, orthogonal=False
    )  # fmt: skip


def test_the_first_levels_alone_are_what_decode_gives_of_them():
    model = sound_tokenizer(residual())
    model.train()(batches()[0].signal)
    data = batches()
    for count in (1, 2, 3):
        found = evaluate(model, data, metrics={"si_sdr": ScaleInvariantRatio()}, levels=count)
        signal = torch.cat([batch.signal for batch in data])
        decoded = model.eval().decode(model.encode(signal).first_levels(count)).clamp(-1, 1)
        expected = ScaleInvariantRatio().measure(signal, decoded, (-1.0, 1.0), None).mean()
        assert found.values["si_sdr"] == pytest.approx(float(expected), rel=1e-9)
        assert found.values["bitrate"] == pytest.approx(RATE / 8 * 3 * count) and len(found.counts) == count
    whole = evaluate(model, data, metrics={"si_sdr": ScaleInvariantRatio()})
    assert whole.values["si_sdr"] == pytest.approx(found.values["si_sdr"]) and math.isfinite(whole.values["usage"])
    with pytest.raises(ValueError, match="there are 3 levels; give 1 to 3, not 4"):
        evaluate(model, data, metrics={}, levels=4)
