"""The quantizers of published audio codecs are overrides of configs/quantizer: levels, rates and codebooks."""

import math
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from signaltok.parts import Quantizer
from signaltok.training.config.build import build
from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.config.schema import TrainConfig

CONFIGS = Path(__file__).parents[2] / "configs"


def built(*overrides: str) -> Quantizer:
    """The quantizer alone, without memory, over a latent of one axis."""
    prepare()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        settings = plain(compose("train", ["paths.output_dir=run", "encoder.axes=1", "encoder.channels=1", *overrides]))
    check(settings, TrainConfig)
    with torch.device("meta"):
        quantizer = build(settings["quantizer"])
    build(settings["objective"]).check(quantizer)
    return quantizer


def tables(quantizer: Quantizer) -> list[tuple[int, ...]]:
    """The shape of every codebook, whether it learns by averages or by gradient."""
    ends = ("table.vectors", "table.weight")
    return [tuple(value.shape) for name, value in quantizer.state_dict().items() if name.endswith(ends)]


def bits(quantizer: Quantizer, frame_rate: float, levels: int | None = None) -> float:
    """Nominal bits a second of the first so many levels."""
    rules = zip(quantizer.codebook_sizes[:levels], quantizer.level_strides[:levels], strict=True)
    return sum(frame_rate / stride * math.log2(size) for size, stride in rules)


def test_soundstream() -> None:
    quantizer = built(
        "quantizer=rvq", "encoder.latent_dim=512", "quantizer.num_codebooks=8", "quantizer.dropout=1.0",
        "quantizer.level.latent_dim=512", "quantizer.level.codebook_size=1024",
        "quantizer.level.update.decay=0.99",
    )  # fmt: skip
    # SoundStream (arXiv:2107.03312): 8 levels of 1,024 codes at 75 Hz are 6 kb/s; every item draws n from 1 to 8.
    # 512 channels: espnet's soundstream recipe (hidden_dim 512).
    assert tables(quantizer) == [(1024, 512)] * 8
    assert (
        bits(quantizer, 75) == 6000 and quantizer.dropout == 1 and tuple(quantizer.choices) == (1, 2, 3, 4, 5, 6, 7, 8)
    )


def test_encodec_24_khz() -> None:
    quantizer = built(
        "quantizer=rvq", "encoder.latent_dim=128", "quantizer.num_codebooks=32", "quantizer.dropout=1.0",
        "quantizer.choices=[2,4,8,16,32]", "quantizer.level.latent_dim=128", "quantizer.level.codebook_size=1024",
        "quantizer.level.update.decay=0.99", "quantizer.level.initialization.iterations=50",
    )  # fmt: skip
    # encodec 0.1.1, model.py: 1.5, 3, 6, 12 and 24 kb/s; quantization/vq.py: 1,024 codes, decay .99, 50 iterations.
    assert tables(quantizer) == [(1024, 128)] * 32
    assert [bits(quantizer, 75, levels) for levels in quantizer.choices] == [1500, 3000, 6000, 12000, 24000]


def test_dac_44_khz() -> None:
    quantizer = built("quantizer=rvq_factorised", "encoder.latent_dim=1024")
    # descript-audio-codec, conf/final/44khz.yml: n_codebooks 9, codebook_size 1024, codebook_dim 8, dropout .5.
    assert tables(quantizer) == [(1024, 8)] * 9
    assert {tuple(level.project_in.weight.shape) for level in quantizer.levels} == {(8, 1024)}
    assert {tuple(level.project_out.weight.shape) for level in quantizer.levels} == {(1024, 8)}
    # Strides 2, 4, 8, 8: 44,100 / 512 frames a second, 7.75 kb/s.
    assert bits(quantizer, 44100 / 512) == pytest.approx(7752, abs=1) and quantizer.dropout == 0.5


@pytest.mark.parametrize(
    ("scales", "strides", "rate", "tokens"),
    [("[1,2,4]", (4, 2, 1), 24000, 82), ("[1,2,4,8]", (8, 4, 2, 1), 32000, 156)],
)
def test_snac(scales: str, strides: tuple[int, ...], rate: int, tokens: int) -> None:
    dim = 768 if rate == 24000 else 1024
    quantizer = built("quantizer=snac", f"encoder.latent_dim={dim}", f"quantizer.scales={scales}")
    # hubertsiuzdak/snac: 4,096 codes of 8 dimensions; 24 kHz: vq_strides 4 2 1, hop 512, 48 x 2^4 channels; 32 kHz:
    # 8 4 2 1, hop 384, 64 x 2^4 channels. 82 and 156 codes a second.
    assert tables(quantizer) == [(4096, 8)] * len(strides) and quantizer.level_strides == strides
    hop = 512 if rate == 24000 else 384
    assert sum(rate / hop / stride for stride in quantizer.level_strides) == pytest.approx(tokens, abs=0.5)


def test_mimi() -> None:
    quantizer = built(
        "quantizer=split", "encoder.latent_dim=512", "quantizer.acoustic.num_codebooks=31",
        "quantizer.acoustic.latent_dim=256", "quantizer.acoustic.level.codebook_size=2048",
    )  # fmt: skip
    # transformers, MimiConfig: num_quantizers 32, of them 1 semantic; codebook_size 2048, codebook_dim 256, hidden 512.
    assert tables(quantizer) == [(2048, 256)] * 32
    assert quantizer.to_semantic.weight.shape == quantizer.to_acoustic.weight.shape == (256, 512)
    assert bits(quantizer, 12.5, levels=8) == 1100  # 1.1 kb/s


def test_jukebox() -> None:
    quantizer = built("quantizer=parallel", "encoder.latent_dim=64")
    # openai/jukebox, hparams.py: l_bins 2048, emb_width 64; hops 8, 32 and 128 at 44.1 kHz.
    assert tables(quantizer) == [(2048, 64)] * 3 and quantizer.level_strides == (16, 4, 1)
    assert [round(44100 / 8 / stride) for stride in quantizer.level_strides] == [345, 1378, 5512]


def test_grouped_fsq() -> None:
    quantizer = built("quantizer=grouped_fsq", "encoder.latent_dim=32")
    # NeMo's 22 and 44 kHz audio codecs: 8 groups of FSQ levels 8 5 5 5 over 32 channels; no projection.
    assert quantizer.codebook_sizes == (1000,) * 8 and not list(quantizer.parameters())
    assert {vectors.searched.shape for vectors in quantizer.code_vectors()} == {(1000, 4)}
