"""Everything under configs/ composes, fits the signatures, and builds."""

import json
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from laid_over import Settings, brought, laid_over, resolved, without_codes

from signaltok.tokenizer import Tokenizer
from signaltok.training import assemble
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.build import build
from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.config.schema import EvalConfig, TrainConfig
from signaltok.training.optimization import AdamWCosine

CONFIGS = Path(__file__).parents[2] / "configs"


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def composed(*overrides: str, name: str = "train"):
    prepare()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(name, overrides=["paths.output_dir=run", *overrides])


def checked(*overrides: str):
    settings = plain(composed(*overrides))
    check(settings, TrainConfig)
    return settings


COARSER = ("hierarchical", "multiscale", "parallel", "parallel_small", "snac", "snac_small")
MASKED = ("speech_bestrq", "speech_wav2vec")  # what is hidden are positions of one grid
EVERY, QUANTIZERS = options("experiment"), options("quantizer")
EXPERIMENTS = [name for name in EVERY if not name.startswith("lm_")]  # those of tokenizers


@cache
def experiment_without_codes(name: str) -> Settings:
    config = composed(f"experiment={name}", "quantizer=identity")
    check(plain(config), TrainConfig)
    return resolved(without_codes(config))


@cache
def own_of(quantizer: str) -> Settings:
    config = composed(f"quantizer={quantizer}")
    check(plain(config), TrainConfig)
    return brought(config, identity())


@cache
def identity():
    return composed("quantizer=identity")


@lru_cache(maxsize=128)
def built(described: str) -> Any:
    return build(json.loads(described))


@pytest.fixture
def build_once(monkeypatch):
    """Parts that are described alike are built once: most experiments share theirs."""

    def once(node, **supplied):
        return build(node, **supplied) if supplied else built(json.dumps(node))

    monkeypatch.setattr(assemble, "build", once)
    return once


@pytest.mark.parametrize("quantizer", QUANTIZERS)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_takes_every_quantizer(experiment, quantizer, build_once):
    settings = laid_over(experiment_without_codes(experiment), own_of(quantizer))
    check({name: settings[name] for name in ("quantizer", "objective")}, TrainConfig)
    if "tokens" in settings["encoder"] and quantizer in COARSER:
        with pytest.raises(ValueError, match="works on coarser grids of a picture too"):
            build_tokenizer(settings)
        return
    tokenizer = build_tokenizer(settings)
    assert isinstance(tokenizer, Tokenizer)
    objective = build_once(settings["objective"])
    if (experiment in MASKED and quantizer in COARSER) or (experiment, quantizer) == ("speech_bestrq", "identity"):
        with pytest.raises(ValueError, match=r"coarser grids|has no codes that could be told"):
            objective.check(tokenizer.quantizer)
        return
    objective.check(tokenizer.quantizer)


PAIRS = [
    (EXPERIMENTS[n % len(EXPERIMENTS)], QUANTIZERS[n % len(QUANTIZERS)])
    for n in range(max(len(EXPERIMENTS), len(QUANTIZERS)))
]


@pytest.mark.parametrize(("experiment", "quantizer"), PAIRS)
def test_what_is_laid_over_is_what_hydra_composes(experiment, quantizer):
    together = checked(f"experiment={experiment}", f"quantizer={quantizer}")
    assert laid_over(experiment_without_codes(experiment), own_of(quantizer)) == together
    assert {pair[0] for pair in PAIRS} == set(EXPERIMENTS) and {pair[1] for pair in PAIRS} == set(QUANTIZERS)


SPOKEN = {  # what goes with what says something
    ("encoder", "speech"): ["decoder=text"],
    ("encoder", "speech_conformer"): ["decoder=text"],
    ("encoder", "speech_features"): ["experiment=speech_units"],
    ("encoder", "speech_quartz_net"): ["decoder=text"],
    ("encoder", "speech_short"): ["experiment=speech_wav2vec"],
    ("encoder", "speech_frames"): ["experiment=speech_bestrq"],
    ("decoder", "text"): ["encoder=speech"],
    ("decoder", "text_phonemes"): ["encoder=speech"],
    ("decoder", "text_russian"): ["encoder=speech", "encoder.latent_dim=36"],
    ("decoder", "text_subwords"): ["encoder=speech", "data=speech_transcribed"],
    ("objective", "ctc"): ["encoder=speech", "decoder=text"],
    ("objective", "units"): ["experiment=speech_units"],
    ("objective", "masked_nce"): ["experiment=speech_wav2vec"],
    ("objective", "masked_code"): ["experiment=speech_bestrq"],
    ("metrics", "none"): [],
    ("metrics", "text_phonemes"): ["encoder=speech", "decoder=text_phonemes"],
}


@pytest.mark.parametrize(
    "group",
    [
        "encoder",
        "decoder",
        "objective",
        "adversary",
        "optimization",
        "data",
        "metrics",
        "trainer",
        "logger",
        "debug",
        "callbacks",
    ],
)
def test_every_option_of_every_group_fits(group):
    found = options(group)
    assert found
    for option in found:
        needed = {
            "image_folder": ["data.root=x"], "audio_folder": ["data.root=x"], "video_folder": ["data.root=x"],
            "audio": ["data=speech"], "audio_quality": ["data=speech"],
            "tokens": ["data.store=x", "data.context=8"], "language": ["experiment=lm_tiny"],
            "pooled": ["decoder=none"], "pooled_vit": ["decoder=none"], "pooled_imagenet": ["decoder=none"],
            "none": ["encoder=pooled"],
        }  # fmt: skip
        own = [f"encoder={option}", f"decoder={option}"]  # of these each goes with its twin alone
        twins = option.startswith(("query", "codec", "spectral", "video", "frames")) and group in ("encoder", "decoder")
        checked(f"{group}={option}", *(own if twins else SPOKEN.get((group, option), needed.get(option, []))))


def test_a_value_that_must_be_given_is_named():
    with pytest.raises(ValueError, match=r"data\.root must be given: add data\.root=VALUE"):
        checked("data=image_folder")


def test_the_optimization_builds():
    assert isinstance(build(checked()["optimization"]), AdamWCosine)


def test_an_experiment_of_a_language_model_has_no_tokenizer():
    (name,) = set(EVERY) - set(EXPERIMENTS)
    settings = checked(f"experiment={name}")
    assert settings["language_model"] and not settings["tokenizer"]
    assert not any(settings[group] for group in ("encoder", "quantizer", "decoder", "objective"))


@pytest.mark.parametrize("experiment", EVERY)
def test_every_experiment_opens_with_its_promise(experiment):
    lines = (CONFIGS / "experiment" / f"{experiment}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    for line, name in zip(lines[1:5], ("paper", "expected", "time", "command"), strict=True):
        assert re.fullmatch(rf"# {name}: \S.*", line), f"{experiment}: line {line!r} should start with '# {name}: '"
    assert lines[4] == f"# command: python train.py experiment={experiment}"


@pytest.mark.parametrize("quantizer", ["vq", "rvq", "fsq"])
def test_a_design_example_reads_naturally(quantizer):
    override = {
        "vq": "quantizer.codebook_size=4096",
        "rvq": "quantizer.num_codebooks=2",
        "fsq": "quantizer.levels=[8,5,5,5]",
    }[quantizer]
    tokenizer = build_tokenizer(checked(f"quantizer={quantizer}", override, "trainer.max_steps=2000"))
    first = {"vq": (4096,), "rvq": (256, 256), "fsq": (1000,)}[quantizer]
    assert tokenizer.quantizer.codebook_sizes == first


def test_switching_the_quantizer_drops_the_losses_of_the_other():
    assert list(checked("quantizer=fsq")["objective"]["terms"]) == ["reconstruction"]
    assert sorted(checked("quantizer=vq")["objective"]["weights"]) == ["commitment", "reconstruction"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+encoder.strid=4"], r"encoder\.strid is not an argument of .*\.ConvEncoder; did you mean stride\?"),
        (["+quantizer.update.deca=1"], r"quantizer\.update\.deca is not an argument .*; did you mean decay\?"),
        (["+trainer.max_step=5"], r"trainer\.max_step is not an argument of .*Trainer; did you mean max_steps\?"),
        (["+trainer.logger=false"], r"trainer\.logger is given by the run"),
        (["~quantizer.codebook_size"], r"quantizer lacks codebook_size, which .*VectorQuantizer needs"),
        (["+callbacks.model_chekpoint.path=x"], r"callbacks\.model_chekpoint has no _target_.*mean model_checkpoint\?"),
        (["+logger.cvs={path: x}"], r"logger\.cvs has no _target_.*did you mean csv\?"),
        (["+objective.terms.commitmnt={name: x}"], r"objective\.terms\.commitmnt has no _target_.*mean commitment\?"),
        (["+metrics.psn={}"], r"metrics\.psn has no _target_.*did you mean psnr\?"),
        (["encoder._target_=signaltok.encoders.conv.Conv"], r"encoder\._target_: there is no signaltok\.encoders"),
        (["encoder._target_=os.system"], r"encoder\._target_ is 'os\.system'; targets lie in signaltok\.\*"),
        (["+data.augmentation.q=1"], r"data\.augmentation\.q is not an argument"),
        (["+encoder.strid=4", "+decoder.dept=1"], r"(?s)encoder\.strid.*\n.*decoder\.dept"),
    ],
)  # fmt: skip
def test_a_misspelt_key_is_named_with_its_target_and_the_nearest_name(overrides, message):
    with pytest.raises(ValueError, match=message):
        checked(*overrides)


def test_a_key_that_only_kwargs_would_take_is_refused():
    node = {"_target_": "vector_quantize_pytorch.ResidualVQ", "dim": 4}
    with pytest.raises(ValueError, match="targets lie in"):
        check({"encoder": node}, TrainConfig)
    node = {"_target_": "pytorch_lightning.loggers.WandbLogger", "offlin": True}
    with pytest.raises(ValueError, match=r"logger\.wandb\.offlin is not an argument of .*; did you mean offline\?"):
        check({"logger": {"wandb": node}}, TrainConfig)


@pytest.mark.parametrize("override", ["traner.max_steps=5", "run.resum=x", "paths.log=x", "quantiser=vq"])
def test_a_misspelt_root_key_is_an_error_of_composition(override):
    with pytest.raises(ConfigCompositionException):
        composed(override)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+traner.max_steps=5", r"traner is not a key of the config; did you mean trainer\?"),
        ("+run.resum=x", r"run\.resum is not a key of run; did you mean resume\?"),
        ("+paths.log=x", r"paths\.log is not a key of paths; did you mean log_dir\?"),
    ],
)
def test_a_misspelt_root_key_that_is_added_is_named(override, message):
    with pytest.raises(ValueError, match=message):
        checked(override)


def test_an_experiment_file_with_a_misspelt_root_key_does_not_compose(tmp_path):
    prepare()
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/bad.yaml").write_text("# @package _global_\ntraner:\n  max_steps: 5\n")
    with (
        initialize_config_dir(str(CONFIGS), version_base="1.3"),
        pytest.raises(ConfigCompositionException, match="traner"),
    ):
        compose("train", overrides=[f"hydra.searchpath=[file://{tmp_path}]", "experiment=bad"])


def test_the_evaluation_config_fits():
    settings = plain(composed("run.path=x", name="eval"))
    check(settings, EvalConfig)
    assert settings["run"]["split"] == "test"


def test_instantiate_is_called_in_one_file():
    package = CONFIGS.parent / "tokenizers/signaltok"
    users = [path.name for path in package.rglob("*.py") if "hydra.utils import instantiate" in path.read_text()]
    assert users == ["build.py"]
