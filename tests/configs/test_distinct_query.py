"""What distinguishes the one-dimensional tokenizers from one another and from the patch embedding."""

from experiments import on_meta

from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.identity import IdentityQuantizer


def test_each_experiment_is_its_method():
    titok, flextok, patch = (on_meta(name) for name in ("image_titok", "image_flextok", "image_patch"))
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
