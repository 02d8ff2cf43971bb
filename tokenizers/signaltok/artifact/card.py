"""The card of an exported tokenizer: what it is, how good it is, on what, and how to use it."""

import math
from typing import Any

from signaltok.artifact.layout import bits_a_position


def card_text(config: dict[str, Any], card: dict[str, Any]) -> str:
    """Markdown. card may hold "metrics" (name -> number), "weights", "protocol", "data", "licence", "command"."""
    sizes, strides = config["codebook_sizes"], config["strides"]
    lines = [f"# A signaltok tokenizer for {config['modality']} signals", ""]
    if sizes:
        rate, unit = rate_of(config)
        shares = "" if config.get("shares") is None else f", shares {config['shares']}"
        lines += [
            f"{len(sizes)} level(s), codebook sizes {sizes}, strides {strides}{shares}: {rate:.4f} bits a {unit}.",
            "",
        ]
    else:
        lines += ["Continuous tokens: it embeds and has no codes.", ""]
    lines += [
        "```python",
        "import signaltok",
        "tokenizer = signaltok.load(FOLDER)",
        f"x = {reading(config)}[None]",
    ]
    use = "text = tokenizer.text(stack)" if config.get("runs") else "y = tokenizer.decode(stack)"
    lines += ["stack = tokenizer.encode(x)", use] if sizes else ["z = tokenizer.embed(x)"]
    lines += ["```", "", f"Fingerprint: `{config['fingerprint']}`", ""]
    headings = (("Weights", "weights"), ("Data", "data"), ("Licence of the data", "licence"), ("Protocol", "protocol"))
    for heading, key in headings:
        if key in card:
            lines += [f"## {heading}", "", *_paragraph(card[key]), ""]
    if "metrics" in card:
        lines += ["## Measured", "", "| metric | value |", "| --- | --- |"]
        lines += [f"| {name} | {value:.6g} |" for name, value in sorted(card["metrics"].items())]
        lines += [""]
    if "command" in card:
        lines += ["## Made by", "", "```", str(card["command"]), "```", ""]
    return "\n".join(lines)


def rate_of(config: dict[str, Any]) -> tuple[float, str]:
    """(bits, of what) of the codes that a config or a store's header describes.

    Of a pixel, position or second where the grid follows from the size of the signal, of a token where nobody knows
    how many there will be, else of a whole signal.
    """
    if config.get("runs"):
        return math.log2(config["codebook_sizes"][0]), "token"
    tokens, levels = config.get("sequence_length"), zip(config["codebook_sizes"], config["strides"], strict=True)
    if tokens is not None:
        unit = "picture" if config["modality"] == "image" else "signal"
        return sum(math.log2(size) * -(-tokens // stride[0]) for size, stride in levels), unit
    bits = bits_a_position(config["codebook_sizes"], config["strides"], config.get("shares"))
    rate = config.get("sample_rate")
    if config["modality"] in ("image", "video"):
        return bits, "pixel"
    return (bits, "position") if rate is None else (bits * rate, "second")


def reading(config: dict[str, Any]) -> str:
    """The call that reads a file as this tokenizer takes it."""
    rate = config.get("sample_rate")
    if rate is None:
        return "signaltok.read_image(PICTURE)"
    if config["modality"] == "video":
        return f"signaltok.read_video(FILE, frame_rate={rate})"
    return f"signaltok.read_audio(FILE, sample_rate={rate}, channels={config['channels']})"


def _paragraph(value: Any) -> list[str]:
    """A dict as a list of its entries, anything else as it reads."""
    return [f"- {name}: {entry}" for name, entry in value.items()] if isinstance(value, dict) else [str(value)]
