"""The claims about tokens of speech: runs compose, probes know what codes say, judges what numbers say."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import literature_speech  # noqa: E402
import literature_speech_runs  # noqa: E402
from hydra import compose, initialize_config_dir  # noqa: E402
from literature import FAILS, HOLDS, execute, run_all, values_of  # noqa: E402
from literature_speech_runs import AFTER, EXTRA, RUNS, alike, phones_told, said_in, words_told  # noqa: E402

from signaltok.data.audio_folder import TRANSCRIPTS, normalised, read_transcripts  # noqa: E402
from signaltok.data.split import split_of  # noqa: E402
from signaltok.training.assemble import build_tokenizer  # noqa: E402
from signaltok.training.config.check import check  # noqa: E402
from signaltok.training.config.resolve import plain, prepare  # noqa: E402
from signaltok.training.config.schema import TrainConfig  # noqa: E402
from signaltok.types.token_stack import TokenStack  # noqa: E402


def settings_of(name: str) -> dict:
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose(
            "train", [*literature_speech.overrides(name, 100), "paths.output_dir=run", f"paths.log_dir=out/{name}"]
        )
    settings = plain(config)
    check(settings, TrainConfig)
    return settings


def test_every_claim_names_runs_that_compose_and_build_at_one_rate_of_frames():
    assert [claim.name for claim in literature_speech.CLAIMS] == ["F1", "F2", "F3"]
    assert {run for claim in literature_speech.CLAIMS for run in claim.runs} == {*RUNS} == {*EXTRA} >= {*AFTER}
    codecs = {}
    for name in RUNS:
        settings = settings_of(name)
        tokenizer = build_tokenizer(settings)
        assert tokenizer.encoder.stride == (320,)
        assert ("tower" in settings["objective"]["terms"]) == (name in AFTER)
        if name in AFTER:
            assert settings["objective"]["terms"]["tower"]["path"] == f"out/{name}/../characters/{settings['seed']}"
        if name.endswith(("split", "residual")):
            codecs[name] = tokenizer
    sizes = {codec.quantizer.codebook_sizes for codec in codecs.values()}
    assert len(sizes) == 1 and {name for name, codec in codecs.items() if codec.quantizer.residual} == {
        "taught_residual"
    }


def test_a_run_waits_for_the_one_it_looks_at(tmp_path, monkeypatch):
    order = []

    class Started:
        exitcode = 0

        def __init__(self, target, args):
            self.folder = args[1]

        def start(self):
            order.append(self.folder.name)

    context = SimpleNamespace(Process=Started, set_forkserver_preload=lambda names: None)
    monkeypatch.setattr("literature.multiprocessing.get_context", lambda kind: context)
    jobs = [([], tmp_path / name, None, None) for name in ("second", "first", "free")]
    run_all(jobs, 3, {tmp_path / "second": tmp_path / "first"})
    assert order == ["first", "free", "second"]


def stack(codes: list[int]) -> TokenStack:
    return TokenStack(
        levels=(torch.tensor([codes]),), codebook_sizes=(10,), strides=((4,),), signal_size=(4 * len(codes),),
        signal_lengths=None, lengths=(None,), spans=None,
    )  # fmt: skip


def test_what_is_said_twice_in_a_row_counts_once():
    assert said_in(stack([3, 3, 1, 3, 3, 3, 2]), 0) == [3, 1, 3, 2]


def test_sequences_are_alike_by_the_pieces_they_share():
    found = alike([[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7], [4, 9], []])
    assert found[0, :2].tolist() == pytest.approx([3.0, 3.0]) and found[0, 2] == 0
    # One single code of four is shared with one of two, no pair: 1 / (2 * sqrt 2).
    assert float(found[0, 3]) == pytest.approx(1 / 8**0.5) and float(found[4].sum()) == 0
    assert torch.equal(found, found.T)


def test_words_are_told_by_codes_that_spell_them_and_by_no_others():
    generator = torch.Generator().manual_seed(0)
    spelled = {"press": [1, 2, 3], "key": [4, 2], "one": [5, 6, 7, 8]}
    texts, codes = [], []
    for number in range(120):
        said = [word for at, word in enumerate(spelled) if number >> at & 1]
        texts.append(set(said))
        codes.append([code for word in [*said, *said] for code in spelled[word]] + [9])
    held_out = torch.arange(120) >= 80
    assert words_told(alike(codes), texts, held_out) == 1.0
    drawn = [torch.randint(10, (20,), generator=generator).tolist() for _ in codes]
    assert 0.3 < words_told(alike(drawn), texts, held_out) < 0.7
    assert words_told(torch.ones(120, 120, dtype=torch.float64), texts, held_out) == 0.5  # ties are halves
    with pytest.raises(ValueError, match="none is in ten files"):
        words_told(alike(codes), [{f"word{number}"} for number in range(120)], held_out)


def test_without_phones_it_says_how_to_get_them(tmp_path):
    with pytest.raises(ValueError, match=r"data/fetch/sounds\.py"):
        phones_told(None, tmp_path / "nowhere")  # type: ignore[arg-type]


R, B, C, P = "test/si_sdr", "test/bitrate", "test/cer_english_prompts", "test/per_lexicon"
CODEC = {R: -3.0, B: 3600.0, "word": 0.7, "word_0": 0.6, "phone_0": 0.25, "tokens": 400.0}
TAUGHT = {**CODEC, R: -3.5, "word_0": 0.75, "phone_0": 0.35}
GOOD = {
    "taught_split": TAUGHT, "taught_residual": {**TAUGHT, R: -3.9}, "untaught_split": CODEC,
    "characters": {"word": 0.9, B: 60.0, C: 0.4, "tokens": 12.0}, "units": {"word": 0.8, B: 300.0},
    "phonemes": {P: 0.3, "tokens": 9.0}, "subwords": {C: 0.5, "tokens": 5.0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "run", "figure", "value", "expected"),
    [
        ("F1", None, None, None, HOLDS),
        ("F1", "taught_split", "phone_0", 0.2, FAILS),
        ("F1", "taught_residual", "phone_0", 0.2, FAILS),
        ("F1", "taught_split", R, -4.5, FAILS),
        ("F1", "taught_residual", R, -3.1, FAILS),
        ("F2", None, None, None, HOLDS),
        ("F2", "characters", "word", 0.75, FAILS),
        ("F2", "characters", B, 400.0, FAILS),
        ("F2", "untaught_split", "word", 0.95, FAILS),
        ("F2", "taught_split", "word_0", 0.5, FAILS),
        ("F2", "units", "word", 0.5, FAILS),
        ("F3", None, None, None, HOLDS),
        ("F3", "phonemes", P, 0.45, FAILS),
        ("F3", "subwords", C, 0.35, FAILS),
        ("F3", "subwords", "tokens", 10.0, FAILS),
    ],
)
def test_the_judges_say_what_the_numbers_say(claim, run, figure, value, expected):
    values = {name: dict(own) for name, own in GOOD.items()}
    if run is not None:
        values[run][figure] = value
    seeds = {name: {k: [x * (1 + 1e-3 * n) for n in range(3)] for k, x in own.items()} for name, own in values.items()}
    (found,) = [known for known in literature_speech.CLAIMS if known.name == claim]
    text, said = found.judge(seeds)
    assert text and said == expected


def test_a_run_leaves_the_figures_that_its_claims_need(tmp_path, monkeypatch):
    """On nine short prompts, of each split three; the probe of phones and the number of words are other tests'."""
    said, chosen = read_transcripts(ROOT / "data" / "speech" / TRANSCRIPTS), {"train": [], "val": [], "test": []}
    for key in sorted(said, key=lambda key: (ROOT / "data" / "speech" / key).stat().st_size):
        of_split = chosen[split_of(normalised(said[key]))]
        if len(of_split) < 3 and "/" not in key and said[key][0].isalpha():  # others are tones
            of_split.append(key)
    root = tmp_path / "speech"
    root.mkdir()
    keys = [key for of_split in chosen.values() for key in of_split]
    for key in keys:
        (root / key).symlink_to(ROOT / "data" / "speech" / key)
    (root / TRANSCRIPTS).write_text("".join(f"{key}\t{said[key]}\n" for key in keys))
    monkeypatch.setattr(literature_speech_runs, "phones_told", lambda tokenizer, folder: {"phone_0": 0.5})
    shapes = []
    monkeypatch.setattr(
        literature_speech_runs,
        "words_told",
        lambda kernel, texts, held_out: shapes.append((kernel.shape, len(texts), int(held_out.sum()))) or 0.5,
    )
    small = ("encoder.width=8", "encoder.inner=8", "encoder.depth=1", "decoder.depth=1", f"data.root={root}")
    run = [*literature_speech.overrides("untaught_split", 2), *small, "seed=0"]
    execute(run, tmp_path / "run", EXTRA["untaught_split"])
    values = values_of(tmp_path / "run")
    assert {R, B, "word", "word_7", "phone_0", "tokens"} <= values.keys()
    assert values["tokens"] == pytest.approx(values[B] / 9, rel=0.1)  # 512 codes
    assert shapes == [((9, 9), 9, 6)] * 9
