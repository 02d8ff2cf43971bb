"""What distinguishes the one-dimensional tokenizers from one another and from the patch embedding."""

from pathlib import Path

from hydra import compose, initialize_config_dir

from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.resolve import plain, prepare

CONFIGS = Path(__file__).parents[2] / "configs"


def tokenizer(experiment: str) -> Tokenizer:
    prepare()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", overrides=["paths.output_dir=run", f"experiment={experiment}"])
    return build_tokenizer(plain(config))


def test_each_experiment_is_its_method():
    titok, flextok, patch = (tokenizer(name) for name in ("image_titok", "image_flextok", "image_patch"))
    assert titok.encoder.tokens == 32 and flextok.encoder.tokens == 128 and patch.encoder.tokens is None
    # TiTok: codes on the sphere, every picture all tokens.
    assert isinstance(titok.quantizer, VectorQuantizer)
    assert titok.quantizer.spherical and titok.quantizer.codebook_dim == 12
    assert titok.encoder.tail_drop is None
    # FlexTok: the same codes, a random number of tokens.
    assert isinstance(flextok.quantizer, VectorQuantizer)
    assert flextok.encoder.tail_drop.choices(128) == [8, 16, 32, 64, 128]
    assert isinstance(patch.quantizer, IdentityQuantizer)
    assert titok.strides == flextok.strides == ((1,),) and patch.strides == ()
