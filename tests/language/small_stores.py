"""Small stores of pictures and sounds that no tokenizer made, their texts, and the data of a language model on them."""

import numpy as np

from signaltok.language.gpt import GPT
from signaltok.language.token_data import TokenData
from signaltok.store.index import fill_store
from signaltok.store.plan import Header, Item

IMAGE = Header(
    fingerprint="1" * 64, modality="image", codebook_sizes=(20,), strides=((4, 4),), value_range=(-1.0, 1.0), channels=3
)
AUDIO = Header(
    fingerprint="2" * 64, modality="audio", codebook_sizes=(10, 12), strides=((8,), (8,)), value_range=(-1.0, 1.0),
    sample_rate=800, channels=1,
)  # fmt: skip


def fill(folder, header, sizes, *, seed=0):
    """Codes that walk: neighbours are near, so that there is something to learn."""
    generator = np.random.default_rng(seed)

    def compute(key):
        size = sizes[key]
        levels = []
        for books, stride in zip(header.codebook_sizes, header.strides, strict=True):
            grid = [-(-n // s) for n, s in zip(size, stride, strict=True)]
            steps = generator.integers(-1, 2, grid)
            levels.append(np.cumsum(steps, axis=-1) % books)
        return Item(key=key, levels=tuple(levels), signal_size=tuple(size))

    fill_store(folder, header, sizes, shard_items=16, device="none", compute=compute, advance=lambda done: None)
    return folder


def stores(folder, *, count=40):
    """(pictures, sounds, file of texts)."""
    pictures = fill(folder / "pictures", IMAGE, {f"{n:03d}.png": (18, 22) for n in range(count)})
    sounds = fill(folder / "sounds", AUDIO, {f"{n:03d}.wav": (60 + n % 9,) for n in range(count)})
    texts = folder / "texts.tsv"
    texts.write_text("".join(f"{n:03d}.wav\tword {n % 7} of\n" for n in range(count)))
    return pictures, sounds, texts


def token_data(folder, **changes):
    pictures, sounds, texts = stores(folder)
    given = {
        "store": [str(pictures), str(sounds)],
        "texts": {"audio": str(texts)},
        "pieces": {"image": [3, 4]},
        "pattern": "flatten",
        "weights": {},
        "context": 24,
        "batch_size": 4,
        "eval_batch_size": 3,
    }
    return TokenData(**{**given, **changes})


def tiny(data, **changes):
    shape = {"vocabulary_size": data.vocabulary.padded_size, "context": data.context, "width": 16, "depth": 1}
    return GPT(**{**shape, "heads": 2, **changes})
