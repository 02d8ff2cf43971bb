"""From documents to ids."""

import numpy as np

from signaltok.streams.documents import Mix, Signal, Text
from signaltok.streams.forms import Forms
from signaltok.streams.geometry import geometry
from signaltok.streams.interleave import check_mix, chunks, headers, time_ids
from signaltok.streams.stream import Stream
from signaltok.streams.symbols import symbols_of
from signaltok.streams.template import header, line_of
from signaltok.streams.vocabulary import Vocabulary


def text_ids(vocabulary: Vocabulary, text: Text) -> np.ndarray:
    """begin_text, the text, end_text."""
    block, control = vocabulary.blocks["text"], vocabulary.control
    if len(text.ids) and (int(text.ids.min()) < 0 or int(text.ids.max()) >= block.size):
        raise ValueError(f"text ids from {text.ids.min()} to {text.ids.max()}, the vocabulary has {block.size}")
    ids = np.empty(len(text.ids) + 2, np.int64)
    ids[0], ids[-1] = control["begin_text"], control["end_text"]
    ids[1:-1] = text.ids
    ids[1:-1] += block.offset
    return ids


def signal_ids(forms: Forms, signal: Signal) -> np.ndarray:
    """The block of one signal."""
    vocabulary = forms.vocabulary
    stream, numbers = vocabulary.stream(signal.stream), forms.numbers(signal)
    symbols = symbols_of(stream, signal)
    if stream.transform is None:
        return forms.form(stream, numbers).fill(symbols)
    first, width = forms.symbol_block(stream)
    line, rows = forms.line_and_rows(stream, numbers)
    symbols += vocabulary.row_offsets(stream)[rows] - first
    local = stream.transform.forward(symbols[line], width)
    end = np.array([vocabulary.control[f"end_{stream.name}"]], np.int64)
    return np.concatenate([header(vocabulary, stream, numbers), local + first, end])


def symbol_line(stream: Stream, signal: Signal) -> np.ndarray:
    """int64 [n]: the symbols of a signal in the order of the stream's line, all rows one after the other in number.

    What a transform of the line is given, and what pairs are learned from. ValueError as of Stream.numbers.
    """
    numbers = stream.numbers(tuple(level.shape for level in signal.levels), signal.signal_size)
    places = geometry(stream, stream.grid_sizes(numbers))
    sizes = np.array([row.size for row in stream.rows], np.int64)
    return (symbols_of(stream, signal) + (np.cumsum(sizes) - sizes)[places.row])[line_of(stream, places)]


def mix_ids(forms: Forms, mix: Mix) -> np.ndarray:
    """Signals and words by time (interleave.py)."""
    vocabulary = forms.vocabulary
    check_mix(vocabulary, mix)
    parts = tuple((vocabulary.stream(signal.stream), forms.numbers(signal)) for signal in mix.signals)
    symbols = [symbols_of(stream, signal) for (stream, _), signal in zip(parts, mix.signals, strict=True)]
    found, words = [headers(vocabulary, parts)], list(reversed(mix.words))

    def put_words(until: int) -> None:
        while words and words[-1].tick < until:
            word = words.pop()
            found.extend([time_ids(vocabulary, word.tick), text_ids(vocabulary, word.text)])

    for chunk in chunks(vocabulary, parts):
        put_words(chunk.tick)
        found.append(time_ids(vocabulary, chunk.tick))
        found += [piece.fill(symbols[number]) for number, piece in chunk.pieces]
    put_words(2**63)
    return np.concatenate([*found, np.array([vocabulary.control["end_mix"]], np.int64)])
