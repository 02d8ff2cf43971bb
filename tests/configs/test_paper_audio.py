"""The audio codecs' networks at their published scale: as many parameters as the public packages' models have."""

import warnings
from functools import cache

import pytest
import torch
from experiments import CONFIGS, settings
from paper import built, parameters

from signaltok.decoders.spectral import SpectralDecoder
from signaltok.tokenizer import Tokenizer

NAMES = sorted(path.stem.removeprefix("audio_") for path in (CONFIGS / "experiment" / "paper").glob("audio_*.yaml"))


@cache
def tokenizer(name: str) -> Tokenizer:
    return built(f"audio_{name}")


def counts(name: str) -> tuple[int, int]:
    model = tokenizer(name)
    return parameters(model.encoder), parameters(model.decoder)


@pytest.fixture
def meta():
    """No memory, and no warnings of packages that use older forms of torch."""
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(
    ("name", "channels", "norm"), [("encodec", 1, "weight_norm"), ("encodec_48khz", 2, "time_group_norm")]
)
def test_encodec_has_as_many_parameters_as_the_package(name, channels, norm, meta):
    from encodec.modules import SEANetDecoder, SEANetEncoder

    shape = {"channels": channels, "norm": norm, "causal": norm == "weight_norm"}
    assert counts(name) == (parameters(SEANetEncoder(**shape)), parameters(SEANetDecoder(**shape)))


def test_encodec_has_as_many_parameters_as_transformers_default(meta):
    from transformers import EncodecConfig, EncodecModel

    model = EncodecModel(EncodecConfig())
    assert counts("encodec") == (parameters(model.encoder), parameters(model.decoder)) == (7_425_792, 7_426_018)


def test_dac_has_as_many_parameters_as_transformers_default(meta):
    from transformers import DacConfig, DacModel

    model = DacModel(DacConfig())  # without weight norm: its gains are ours beside
    own = tokenizer("dac")
    plain = [
        sum(value.numel() for name, value in part.named_parameters() if not name.endswith("weight_gain"))
        for part in (own.encoder, own.decoder)
    ]
    # Kumar et al. 2023: 76 million parameters, 22 of the encoder and 54 of the decoder.
    assert plain == [parameters(model.encoder), parameters(model.decoder)] == [22_299_200, 54_091_105]


def test_snac_has_as_many_parameters_as_the_package(meta):
    from snac import SNAC

    # hubertsiuzdak/snac_24khz, config.json; 19.8 million parameters with the quantizer, as its page says.
    model = SNAC(
        sampling_rate=24_000, encoder_dim=48, encoder_rates=[2, 4, 8, 8], decoder_dim=1024, decoder_rates=[8, 8, 4, 2],
        attn_window_size=None, codebook_size=4096, vq_strides=[4, 2, 1],
    )  # fmt: skip
    assert counts("snac") == (parameters(model.encoder), parameters(model.decoder))
    assert round(parameters(model) / 1e6, 1) == 19.8


def test_mimi_has_as_many_parameters_as_transformers_default(meta):
    from transformers import MimiConfig, MimiModel

    model = MimiModel(MimiConfig())
    assert counts("mimi") == (parameters(model.encoder), parameters(model.decoder)) == (38_867_232, 39_917_089)


def test_wavtokenizer(meta):
    from encodec.modules import SEANetEncoder

    model = tokenizer("wavtokenizer")
    # Its encoder is EnCodec's with 512 channels at its end.
    assert parameters(model.encoder) == parameters(SEANetEncoder(dimension=512, causal=False))
    assert isinstance(model.decoder, SpectralDecoder)
    # jishengpeng/WavTokenizer, the 75-token configuration: 12 ConvNeXt blocks of 768 and 2,304, frames of 1,280.
    block = 768 * 7 + 768 + 2 * 768 + 768 * 2304 + 2304 + 2304 * 768 + 768 + 768
    blocks = [layer for name, layer in model.decoder.trunk.named_children() if name.startswith("block")]
    assert [parameters(layer) for layer in blocks] == [block] * 12
    assert parameters(model.decoder.trunk.head) == 768 * 1282 + 1282
    assert model.quantizer.codebook_sizes == (4096,)


@pytest.mark.parametrize(
    ("name", "rate", "frames", "codes", "streams"),
    [
        # Samples and frames a second, codes of every level: the papers named in the files. DAC's and SNAC's frames are
        # those of hop 512, NeMo's 21.5 of 22,050 / 1,024, Jukebox's of hop 8, the finest of three.
        ("soundstream", 24_000, 75, (1024,) * 8, True),
        ("encodec", 24_000, 75, (1024,) * 32, True),
        ("encodec_48khz", 48_000, 150, (1024,) * 16, False),
        ("dac", 44_100, 44_100 / 512, (1024,) * 9, False),
        ("snac", 24_000, 24_000 / 512, (4096,) * 3, False),
        ("mimi", 24_000, 12.5, (2048,) * 32, True),
        ("wavtokenizer", 24_000, 75, (4096,), False),
        ("jukebox", 44_100, 44_100 / 8, (2048,) * 3, False),
        ("fsq", 22_050, 22_050 / 1024, (8 * 7 * 6 * 6,) * 8, False),
    ],
)
def test_frames_and_codebooks(name, rate, frames, codes, streams):
    model = tokenizer(name)
    assert model.sample_rate == rate and rate / model.encoder.stride[0] == frames
    assert model.quantizer.codebook_sizes == codes
    assert model.encoder.causal is streams
    assert all(parameter.device == torch.device("meta") for parameter in model.parameters())


def test_every_audio_method_has_a_twin():
    laptop = {path.stem.removeprefix("audio_") for path in (CONFIGS / "experiment").glob("audio_*.yaml")}
    laptop.remove("spectral")  # published networks and published levels, but no published codec of the two
    assert {"encodec_48khz" if name == "encodec_stereo" else name for name in laptop} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_data_and_model_agree(name):
    data = settings(f"paper/audio_{name}")["data"]
    model = tokenizer(name)
    assert (data["sample_rate"], data["channels"]) == (model.sample_rate, model.encoder.channels)
    # Of the seven whose items are given: DAC's conf/final/44khz.yml, NeMo's, EnCodec's a second, WavTokenizer's three.
    seconds = {"dac": 0.38, "fsq": 0.37, "snac": 0.8, "wavtokenizer": 3.0}
    assert data["segment_seconds"] == seconds.get(name, 1.0)
    assert {"dac": 72, "encodec": 64, "wavtokenizer": 40}.get(name, data["batch_size"]) == data["batch_size"]


def test_mimi_looks_as_far_back_as_its_window():
    encoder = tokenizer("mimi").encoder
    assert [len(encoder.trunk.latent0.blocks), encoder.trunk.latent0.blocks[0].window] == [8, 250]
    # 8 blocks look 249 positions of 960 samples back each; the convolutions a little more.
    assert 8 * 249 * 960 < encoder.receptive_field[0] < 8 * 249 * 960 + 10_000


@pytest.mark.parametrize("name", NAMES)
def test_every_twin_opens_with_its_promise(name):
    lines = (CONFIGS / "experiment" / "paper" / f"audio_{name}.yaml").read_text().splitlines()
    assert [line.split(":")[0] for line in lines[1:5]] == ["# paper", "# expected", "# time", "# command"]
    assert lines[4] == f"# command: python train.py experiment=paper/audio_{name} data.root=DIR"
    assert "never run" in lines[2]
