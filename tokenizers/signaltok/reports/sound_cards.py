"""The part of a run's page that shows sounds: spectrograms side by side, players, and token maps over time."""

import base64
from collections.abc import Sequence

from signaltok.reports.pictures import png
from signaltok.reports.sounds import Sound, ratio_decibel, spectrograms, token_map


def sound_cards(sounds: Sequence[Sound], budget: int) -> str:
    """A card a sound, as many as fit into a budget in bytes (at least one)."""
    cards, size = [], 0
    for sound in sounds:
        maps = token_map(sound.codes)
        pictures = [png(picture) for picture in spectrograms([sound.original, sound.reconstruction])]
        tokens = None if maps is None else png(maps)
        size += sum(map(len, [*pictures, *sound.files, tokens or b""]))
        if cards and size > budget:
            break
        cards.append(_card(sound, pictures, tokens))
    return f'<div class="samples sounds">\n{"".join(cards)}</div>'


def _card(sound: Sound, pictures: list[bytes], tokens: bytes | None) -> str:
    ratio = ratio_decibel(sound.original, sound.reconstruction)
    seconds = len(sound.original) / sound.sample_rate
    captions = (f"original, {seconds:.1f} s", "reconstruction" + ("" if ratio is None else f", {ratio:.1f} dB"))
    halves = "".join(
        f'<div><img alt="spectrogram of the {name}" src="data:image/png;base64,{_text(picture)}">'
        f'<audio controls preload="metadata" aria-label="{name}" src="data:audio/flac;base64,{_text(file)}"></audio>'
        f"<span>{caption}</span></div>"
        for name, picture, file, caption in zip(
            ("original", "reconstruction"), pictures, sound.files, captions, strict=True
        )
    )
    levels = len(sound.codes)
    strip = (
        ""
        if tokens is None
        else f'<img class="pixels tokens" style="height:{max(10, 7 * levels)}px" alt="tokens over time" '
        f'src="data:image/png;base64,{_text(tokens)}">'
    )
    return f'<figure class="card sample"><div class="pair">{halves}</div>{strip}</figure>\n'


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
