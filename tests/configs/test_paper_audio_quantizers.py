"""The quantizers of published audio codecs, as the twins have them: levels, rates and codebooks."""

import math

import pytest
from experiments import settings
from paper import built as twin

from signaltok.parts import Quantizer
from signaltok.quantizers.parallel import ParallelQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.quantizers.split import SplitQuantizer
from signaltok.training.config.build import build


def built(name: str) -> Quantizer:
    """The quantizer of a twin, without memory; its objective has a weight for each of its losses."""
    objective, quantizer = build(settings(f"paper/audio_{name}")["objective"]), twin(f"audio_{name}").quantizer
    objective.check(quantizer)
    assert quantizer.loss_names() - {"scale_commitment", "scale_codebook"} <= objective.weights.keys()
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
    quantizer = built("soundstream")
    # SoundStream (arXiv:2107.03312): 8 levels of 1,024 codes at 75 Hz are 6 kb/s; every item draws n from 1 to 8.
    # 512 channels: espnet's soundstream recipe (hidden_dim 512).
    assert isinstance(quantizer, ResidualQuantizer) and quantizer.late_start == 0
    assert tables(quantizer) == [(1024, 512)] * 8
    assert (
        bits(quantizer, 75) == 6000 and quantizer.dropout == 1 and tuple(quantizer.choices) == (1, 2, 3, 4, 5, 6, 7, 8)
    )


@pytest.mark.parametrize(
    ("name", "rate", "bandwidths"),
    [
        # encodec 0.1.1, model.py: kb/s of the models at 24 and at 48 kHz.
        ("encodec", 75, [1500, 3000, 6000, 12000, 24000]),
        ("encodec_48khz", 150, [3000, 6000, 12000, 24000]),
    ],
)
def test_encodec(name: str, rate: int, bandwidths: list[int]) -> None:
    quantizer = built(name)
    # encodec 0.1.1, quantization/vq.py: 1,024 codes, decay .99, 50 iterations; 128 channels.
    assert isinstance(quantizer, ResidualQuantizer) and quantizer.dropout == 1
    assert tables(quantizer) == [(1024, 128)] * max(quantizer.choices)
    assert [bits(quantizer, rate, levels) for levels in quantizer.choices] == bandwidths
    level = quantizer.levels[0]
    assert level.update.arguments["decay"] == 0.99 and level.initialization.iterations == 50


def test_dac_44_khz() -> None:
    quantizer = built("dac")
    # descript-audio-codec, conf/final/44khz.yml: n_codebooks 9, codebook_size 1024, codebook_dim 8, dropout .5.
    assert tables(quantizer) == [(1024, 8)] * 9
    assert {tuple(level.project_in.weight.shape) for level in quantizer.levels} == {(8, 1024)}
    assert {tuple(level.project_out.weight.shape) for level in quantizer.levels} == {(1024, 8)}
    # Strides 2, 4, 8, 8: 44,100 / 512 frames a second, 7.75 kb/s.
    assert bits(quantizer, 44100 / 512) == pytest.approx(7752, abs=1) and quantizer.dropout == 0.5


def test_snac() -> None:
    quantizer = built("snac")
    # hubertsiuzdak/snac_24khz: 4,096 codes of 8 dimensions, vq_strides 4 2 1, hop 512: 82 codes a second, 0.98 kb/s.
    assert tables(quantizer) == [(4096, 8)] * 3 and quantizer.level_strides == (4, 2, 1)
    assert sum(24000 / 512 / stride for stride in quantizer.level_strides) == pytest.approx(82, abs=0.5)
    assert bits(quantizer, 24000 / 512) == pytest.approx(984, abs=1)


def test_mimi() -> None:
    quantizer = built("mimi")
    assert isinstance(quantizer, SplitQuantizer) and quantizer.unquantized == 0.5 and not quantizer.residual
    # transformers, MimiConfig: num_quantizers 32, of them 1 semantic; codebook_size 2048, codebook_dim 256, hidden 512.
    assert tables(quantizer) == [(2048, 256)] * 32
    assert quantizer.to_semantic.weight.shape == quantizer.to_acoustic.weight.shape == (256, 512)
    assert bits(quantizer, 12.5, levels=8) == 1100  # 1.1 kb/s


def test_jukebox() -> None:
    quantizer = built("jukebox")
    assert isinstance(quantizer, ParallelQuantizer)
    # openai/jukebox, hparams.py: l_bins 2048, emb_width 64; hops 8, 32 and 128 at 44.1 kHz.
    assert tables(quantizer) == [(2048, 64)] * 3 and quantizer.level_strides == (16, 4, 1)
    assert [round(44100 / 8 / stride) for stride in quantizer.level_strides] == [345, 1378, 5512]


def test_grouped_fsq() -> None:
    quantizer = built("fsq")
    # NeMo's codec at 22.05 kHz and 21.5 frames a second: 8 groups of levels 8 7 6 6 over 32 channels, no projection.
    assert not list(quantizer.parameters())
    assert {vectors.searched.shape for vectors in quantizer.code_vectors()} == {(2016, 4)}
    # Its name says 1.89 kb/s.
    assert round(bits(quantizer, 22050 / 1024), -1) == 1890


def test_wavtokenizer() -> None:
    quantizer = built("wavtokenizer")
    # jishengpeng/WavTokenizer: one codebook of 4,096 x 512, 200 iterations of k-means; 0.9 kb/s at 75 tokens a second.
    assert tables(quantizer) == [(4096, 512)] and bits(quantizer, 75) == 900
    assert quantizer.initialization.iterations == 200
