"""Tokenizers whose tokens are runs: stacks of variable length, text, spans, and no waveform."""

from functools import cache

import pytest
import torch
from torch import Tensor

import signaltok
from signaltok.decoders.spectral import SpectralDecoder
from signaltok.decoders.text import TextDecoder
from signaltok.encoders.speech import SpeechEncoder
from signaltok.layers.residual_convolutions import ResidualConvolutions
from signaltok.layers.spec_augment import SpecAugment
from signaltok.metrics.error_rate import ErrorRate, SymbolErrorRate
from signaltok.metrics.evaluation import evaluate
from signaltok.quantizers.ctc import CtcQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.text.edits import edits
from signaltok.text.phonemes import PhonemeSpelling
from signaltok.text.spelling import CharacterSpelling
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch

RATE = 8000
SPELLING = CharacterSpelling(symbols="abc d")


def encoder(**changes) -> SpeechEncoder:
    plain = {
        "axes": 1, "channels": 1, "sample_rate": RATE, "size": 64, "transform": 64, "hop": 32, "bins": 8,
        "floor": 1e-6, "momentum": 0.1, "width": 12, "latent_dim": 6,
        "augmentation": SpecAugment(bands=1, band_bins=2, stretches=1, stretch_share=0.1),
        "trunk": ResidualConvolutions(
            inputs=8, width=12, strides=[2], stem_kernel=3, depth=1, kernel=3, momentum=0.1
        ),
    }  # fmt: skip
    return SpeechEncoder(**plain | changes)


def text_decoder(**changes) -> TextDecoder:
    return TextDecoder(**{"axes": 1, "channels": 1, "stride": 64, "latent_dim": 6, "spelling": SPELLING} | changes)


@cache
def shared() -> Tokenizer:
    """Nothing in here changes it."""
    return tokenizer()


def tokenizer(quantizer=None, decoder=None) -> Tokenizer:
    torch.manual_seed(0)
    built = Tokenizer(
        encoder=encoder(),
        quantizer=quantizer or CtcQuantizer(latent_dim=6),
        decoder=decoder or text_decoder(),
        value_range=(-1.0, 1.0),
        block=1280,
        sample_rate=RATE,
    ).train()
    built(signals(0))
    return built.eval()


def signals(seed: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    loudness = torch.rand(3, 1, 4001, generator=generator).cumsum(2).mul(0.05).sin()
    return torch.rand(3, 1, 4001, generator=generator).sub(0.5) * loudness


LENGTHS = torch.tensor([[4001], [2500], [37]])


def test_a_level_of_variable_length_is_the_path_without_repeats_and_blanks():
    model = shared()
    stack = model.encode(signals(), LENGTHS)
    with torch.no_grad():
        (paths,) = model(signals(), LENGTHS).quantized.codes
    texts, seconds = model.text(stack), stack.seconds(0, RATE)
    for item, size in enumerate(LENGTHS[:, 0].tolist()):
        path = paths[item, : -(-size // 64)].tolist()
        tokens = [code for n, code in enumerate(path) if code != 5 and (n == 0 or path[n - 1] != code)]
        found = stack.levels[0][item, : int(stack.lengths[0][item])]
        assert found.tolist() == tokens
        assert texts[item] == SPELLING.text(tokens)
        assert len(seconds[item]) == len(tokens) and (seconds[item] <= size / RATE).all()
        for code, (start, end) in zip(tokens, seconds[item].tolist(), strict=True):
            cells = path[round(start * RATE) // 64 : -(-round(end * RATE) // 64)]
            assert cells and set(cells) == {code}
    assert int(stack.lengths[0][0]) > 3, "a path that says something"


def test_tokens_of_an_item_depend_neither_on_its_batch_mates_nor_on_its_padding():
    model = shared()
    stack = model.encode(signals(), LENGTHS)
    for item, size in enumerate(LENGTHS[:, 0].tolist()):
        alone = model.encode(signals()[item : item + 1, :, :size].clone())
        count = int(stack.lengths[0][item])
        assert torch.equal(alone.levels[0][0], stack.levels[0][item, :count])
        assert torch.equal(alone.spans[0][0], stack.spans[0][item, :count])
        assert model.text(alone)[0] == model.text(stack)[item]
    assert torch.equal(model.encode(signals(), LENGTHS, chunk=1280).spans[0], stack.spans[0])


def test_with_spans_a_path_decodes_to_a_waveform_as_any_other_codes_do():
    decoder = SpectralDecoder(
        channels=1, stride=64, size=128, width=8, inner=8, depth=1, kernel=3, layer_scale=0.5, latent_dim=6,
        final_norm=True, context=None,
    )  # fmt: skip
    model = tokenizer(decoder=decoder)
    stack = model.encode(signals(), LENGTHS)
    with torch.no_grad():
        assert torch.equal(model(signals(), LENGTHS).signal, model.decode(stack))
    with pytest.raises(ValueError, match="SpectralDecoder gives signals and no text"):
        model.text(stack)
    with pytest.raises(ValueError, match="need their spans"):
        grid = model.encode(signals()).levels[0].new_zeros(3, 63)
        model.decode(signaltok.TokenStack((grid,), (6,), ((64,),), (4001,), (None,)))


def test_text_is_no_waveform_and_says_so():
    model = shared()
    with pytest.raises(ValueError, match=r"gives text and has no waveform; Tokenizer\.text\(stack\)"):
        model.decode(model.encode(signals()))
    with pytest.raises(ValueError, match="cannot stream"):
        model.stream()


def test_a_tokenizer_of_text_is_saved_and_loaded(tmp_path):
    model = shared()
    again = signaltok.load(model.save(tmp_path / "out"))
    stack, own = again.encode(signals(), LENGTHS), model.encode(signals(), LENGTHS)
    assert torch.equal(stack.levels[0], own.levels[0]) and again.text(stack) == model.text(own)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "tokenizer.text(stack)" in card and "2.5850 bits a token" in card


def test_settings_that_do_not_fit_are_said():
    with pytest.raises(ValueError, match=r"the latent needs 6 channels; set encoder\.latent_dim=6 \(it is 7\)"):
        text_decoder(latent_dim=7)
    with pytest.raises(ValueError, match="axes must be 1"):
        text_decoder(axes=2)
    with pytest.raises(ValueError, match="spectra of speech go over one"):
        encoder(axes=2)


def batches(texts: tuple[str, ...] | None):
    yield Batch(signal=signals(), lengths=LENGTHS, keys=("x", "y", "z"), text=texts)


CER = {"cer_letters": ErrorRate(unit="character", normaliser="letters")}


def test_error_rates_are_edits_over_the_reference_length_of_the_split(tmp_path):
    model = shared()
    read = model.text(model.encode(signals(), LENGTHS))
    phonemes = PhonemeSpelling(symbols=["ab", "c"], lexicon="a\tab c\n")
    metrics = {
        **CER,
        "wer_letters": ErrorRate(unit="word", normaliser="letters"),
        "per_lexicon": SymbolErrorRate(spelling=phonemes, name="lexicon"),
    }
    said = (f"x{read[0]}", read[1], "a")
    found = evaluate(model, batches(said), metrics=metrics)
    wrong = sum(edits(one, other) for one, other in zip(said, read, strict=True))
    assert wrong > 0 and found.values["cer_letters"] == wrong / sum(map(len, said))
    wrong = sum(edits(one.split(), other.split()) for one, other in zip(said, read, strict=True))
    assert found.values["wer_letters"] == wrong / sum(len(text.split()) for text in said)
    assert found.values["per_lexicon"] == edits(["ab", "c"], read[2].split()) / 2
    assert "2 items left out, whose text the spelling cannot write" in found.protocols["per_lexicon"]
    assert "characters, normaliser letters, 3 items" in found.protocols["cer_letters"]
    assert found.texts[1] == ("y", read[1], read[1]) and found.sounds is None
    exact = evaluate(model, batches((read[0], read[1], read[2])), metrics=CER)
    assert exact.values["cer_letters"] == 0.0


def test_rates_count_the_tokens_that_were_said():
    model = shared()
    found = evaluate(model, batches(("a", "b", "c")), metrics={})
    tokens = int(model.encode(signals(), LENGTHS).lengths[0].sum())
    seconds = float(LENGTHS.sum()) / RATE
    assert found.values["tokens"] == tokens
    assert found.values["bitrate"] == pytest.approx(tokens / seconds * torch.tensor(6.0).log2().item())


def test_a_tokenizer_that_says_nothing_is_measured_too():
    model = tokenizer()
    with torch.no_grad():
        model.encoder.trunk.project.bias[5] = 1e6
    assert model.text(model.encode(signals())) == ("", "", "")
    found = evaluate(model, batches(("a", "bb", "c")), metrics=CER)
    assert found.values["cer_letters"] == 1.0 and found.values["tokens"] == 0.0 and found.values["bitrate"] == 0.0


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: evaluate(shared(), batches(None), metrics=CER), "cer_letters need items with text"),
        (
            lambda: evaluate(shared(), batches(("a",) * 3), metrics={"cer": CER["cer_letters"]}),
            "metrics.cer compares by letters, without which its value means nothing",
        ),
        (
            lambda: evaluate(tokenizer(IdentityQuantizer(latent_dim=6)), batches(("a",) * 3), metrics=CER),
            "cer_letters need a tokenizer with codes",
        ),
        (lambda: evaluate(shared(), batches(("", "", "")), metrics=CER), "cer_letters has no reference"),
        (lambda: ErrorRate(unit="phone", normaliser="letters"), "unit is 'phone'; it is one of character, word"),
    ],
)
def test_what_cannot_be_measured_is_said(run, message):
    with pytest.raises(ValueError, match=message):
        run()
