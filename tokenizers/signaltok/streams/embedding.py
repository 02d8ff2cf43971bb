"""The rows of a language model's embedding, begun from the vectors that the codes stand for."""

from collections.abc import Mapping, Sequence

import numpy as np

from signaltok.streams.vocabulary import Vocabulary


def embedding_rows(
    vocabulary: Vocabulary, books: Mapping[str, Sequence[np.ndarray | None]], *, dim: int, scale: float, seed: int
) -> np.ndarray:
    """float32 [padded_size, dim].

    books: of each stream by name, the vectors [K, d] of each level as the decoder sees them, None for a level without a
    table. The vectors of a level are centred, turned by one random rotation for the whole stream (of more than dim
    components, the dim principal ones are kept) and scaled to the standard deviation `scale`, so angles and the ratios
    of distances stay. All other rows are normal with that deviation. ValueError where books do not fit the vocabulary.
    """
    generator = np.random.default_rng(seed)
    rows = generator.normal(0.0, scale, (vocabulary.padded_size, dim))
    for name, levels in books.items():
        stream = vocabulary.stream(name)
        if stream.shared or stream.transform is not None or len(stream.rows) != len(levels):
            raise ValueError(
                f"the rows of {name!r} are not those of {len(levels)} codebooks (shared, transformed, digits)"
            )
        rotation: np.ndarray | None = None
        for level, (row, vectors) in enumerate(zip(stream.rows, levels, strict=True)):
            if vectors is None:
                continue
            if vectors.ndim != 2 or len(vectors) != row.size:
                raise ValueError(f"level {level} of {name!r} has {row.size} codes, its vectors are {vectors.shape}")
            centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
            if centred.shape[1] > dim:
                centred = centred @ np.linalg.svd(centred, full_matrices=False)[2][:dim].T
            if rotation is None or len(rotation) != centred.shape[1]:
                rotation = np.linalg.qr(generator.normal(size=(dim, dim)))[0][: centred.shape[1]]
            turned = centred @ rotation
            deviation = turned.std()
            first = vocabulary.blocks[row.name].offset
            rows[first : first + row.size] = turned * (scale / deviation if deviation > 0 else 1.0)
    return rows.astype(np.float32)
