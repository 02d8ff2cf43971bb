"""signaltok: learned tokenizers for images, audio, speech and video.

The path of the data, by the rooms of this package:

    file --data--> Batch --encoders--> latent --quantizers--> Quantized --decoders--> Reconstruction
                                                   |                                      |
                                              TokenStack                  objectives, adversaries, metrics
                                                   |
                                     store --streams--> any language-model trainer

    types      the frozen objects on the arrows      layers     blocks shared by encoders and decoders
    artifact   the exported folder                   reports    pictures, plots, the page of a run
    training   Lightning and Hydra, only here        published  public models' weights as tokenizers
    streams    ids of one vocabulary, exact both ways  cli        the `signaltok` command
    text       what is said, as tokens
    language   a small language model on the stream

Importing the package costs what importing torch costs; the names below are loaded when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signaltok.artifact.read import load as load
    from signaltok.data.read_audio import read_audio as read_audio
    from signaltok.data.read_image import read_image as read_image
    from signaltok.data.read_video import read_video as read_video
    from signaltok.tokenizer import Tokenizer as Tokenizer
    from signaltok.types.token_stack import TokenStack as TokenStack

__version__ = "0.1.0"
__all__ = ["TokenStack", "Tokenizer", "load", "read_audio", "read_image", "read_video"]

_HOMES = {
    "Tokenizer": "signaltok.tokenizer",
    "TokenStack": "signaltok.types.token_stack",
    "load": "signaltok.artifact.read",
    "read_audio": "signaltok.data.read_audio",
    "read_image": "signaltok.data.read_image",
    "read_video": "signaltok.data.read_video",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"signaltok has no {name!r}; it has {', '.join(sorted(__all__))}")
    return getattr(importlib.import_module(_HOMES[name]), name)
