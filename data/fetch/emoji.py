"""Make data/emoji from the npm packages emoji-datasource-twitter 16.0.0 and emojibase-data 17.0.0.

    npm pack emoji-datasource-twitter@16.0.0 emojibase-data@17.0.0
    for package in emoji-datasource-twitter emojibase-data; do
        mkdir -p UNPACKED/$package && tar -xzf $package-*.tgz -C UNPACKED/$package; done
    python data/fetch/emoji.py UNPACKED data/emoji

sheet.png is the package's sheet of 256 colours, unmodified: cells of 66 pixels with a border of one. names.tsv has a
row an emoji. Another vendor's drawings of the same emoji, for retrieval across styles, come with the same layout; its
package is unpacked beside those two:

    npm pack emoji-datasource-google@16.0.0
    python data/fetch/emoji.py UNPACKED data/downloads/emoji_google --vendor google
"""

import argparse
import json
import re
import shutil
from pathlib import Path

from PIL import Image

CELL = 66  # pixels, of which the outermost are a border
SHEET = "package/img/{vendor}/sheets-256/64.png"
COLUMNS = ("code", "name", "short_names", "tags", "category", "subcategory", "x", "y", "concept", "tones")
PERSONS = frozenset(["man", "woman", "men", "women", "boy", "girl", "person", "people", "adult", "child"])
ARTISTS = {
    "twitter": "Drawings: Twemoji, (c) Twitter, Inc. and other contributors; CC-BY-4.0.",
    "google": "Drawings: Noto Emoji, (c) Google LLC; Apache License 2.0.",
}


def impersonal(text: str) -> str:
    """The words of a text in small letters, without those for persons where others remain."""
    words = re.findall(r"[\w’'&.!?#*+-]+", text.lower())
    return " ".join(word for word in words if word not in PERSONS) or text.lower()


def bare(code: str) -> str:
    """A code without the selectors of a coloured drawing, which the two packages set differently."""
    return "-".join(point for point in code.split("-") if point != "FE0F")


def concepts(entries: list[dict], labels: list[str], pictures: list[bytes]) -> list[str]:
    """Of each emoji the name of its base concept, which gendered forms and equal drawings share.

    Emoji are of one concept where their labels are equal without the words for persons, or their drawings are; it is
    named after the first of them in the package's order, without those words.
    """
    first: list[int] = list(range(len(entries)))
    seen: dict[object, int] = {}

    def root(number: int) -> int:
        while first[number] != number:
            number = first[number]
        return number

    for number, (label, picture) in enumerate(zip(labels, pictures, strict=True)):
        for key in (picture, impersonal(label)):
            one, other = sorted((root(number), root(seen.setdefault(key, number))))
            first[other] = one
    return [impersonal(entries[root(number)]["name"]) for number in range(len(entries))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path, help="the folder with a folder for each unpacked package")
    parser.add_argument("out", type=Path, help="the folder to fill")
    parser.add_argument("--vendor", choices=sorted(ARTISTS), default="twitter")
    arguments = parser.parse_args()
    for needed in ("emoji-datasource-twitter", "emojibase-data", f"emoji-datasource-{arguments.vendor}"):
        if not (arguments.unpacked / needed / "package").is_dir():
            raise SystemExit(f"{arguments.unpacked} has no {needed}/package: unpack the npm package {needed} there")
    # Concepts are those of Twemoji whatever is drawn: a split must not depend on the style.
    entries = json.loads((arguments.unpacked / "emoji-datasource-twitter/package/emoji.json").read_text("utf-8"))
    base = json.loads((arguments.unpacked / "emojibase-data/package/en/data.json").read_text("utf-8"))
    by_code = {bare(entry["hexcode"]): entry for entry in base}
    found = [by_code[bare(entry["unified"])] for entry in entries]
    with Image.open(arguments.unpacked / "emoji-datasource-twitter" / SHEET.format(vendor="twitter")) as sheet:
        drawn = sheet.convert("RGBA")
    places = [(entry["sheet_x"], entry["sheet_y"]) for entry in entries]
    pictures = [drawn.crop((x * CELL, y * CELL, (x + 1) * CELL, (y + 1) * CELL)).tobytes() for x, y in places]
    names = concepts(entries, [entry["label"] for entry in found], pictures)
    lines = ["\t".join(COLUMNS)]
    for entry, text, concept in zip(entries, found, names, strict=True):
        tones = [f"{tone['sheet_x']},{tone['sheet_y']}" for tone in entry.get("skin_variations", {}).values()]
        row = (
            entry["unified"], text["label"], " ".join(entry["short_names"]), ", ".join(text.get("tags", [])),
            entry["category"], entry["subcategory"], entry["sheet_x"], entry["sheet_y"], concept, " ".join(tones),
        )  # fmt: skip
        lines.append("\t".join(map(str, row)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "names.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    package = f"emoji-datasource-{arguments.vendor}"
    shutil.copyfile(arguments.unpacked / package / SHEET.format(vendor=arguments.vendor), arguments.out / "sheet.png")
    (arguments.out / "ATTRIBUTION").write_text(
        f"sheet.png: from the npm package {package} 16.0.0, unmodified. {ARTISTS[arguments.vendor]}\n"
        "names.tsv: codes, short names and categories from emoji-datasource-twitter 16.0.0, (c) Cal Henderson, MIT;\n"
        "names and tags from emojibase-data 17.0.0, (c) Miles Johnson, MIT. Concepts and layout: data/fetch/emoji.py,\n"
        "which made this folder.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
