"""Normalisers, edit distance, and spellings by characters, phonemes and sub-words."""

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaltok.artifact.describe import build, describe
from signaltok.data.audio_folder import normalised, read_transcripts
from signaltok.data.split import split_of
from signaltok.data.spoken_pieces import subwords_of_train
from signaltok.text.edits import edits
from signaltok.text.normalise import english_prompts, letters, normaliser
from signaltok.text.phonemes import PhonemeSpelling, by_lexicon
from signaltok.text.spelling import CharacterSpelling
from signaltok.text.subwords import SubwordSpelling, trained

DATA = Path(__file__).parents[2] / "data"
CHARACTERS = "abcdefghijklmnopqrstuvwxyz '"
PHONEMES = [
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH",
    "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
]  # fmt: skip


@cache
def texts() -> tuple[str, ...]:
    lines = (DATA / "speech" / "transcripts.tsv").read_text().splitlines()
    return tuple(sorted({english_prompts(line.partition("\t")[2]) for line in lines} - {""}))


@cache
def pieces() -> SubwordSpelling:
    return subwords_of_train(size=127, root=str(DATA / "speech"), split="text", normaliser="english_prompts")


@pytest.mark.parametrize(
    ("text", "plain", "prompt"),
    [
        ("Don't press 2!", "don't press", "don't press two"),
        ("[a beep] (1 second) <tone>", "a beep second tone", ""),
        ("dial 28.8, then # or *", "dial then or", "dial two eight eight then pound or star"),
        ("It’s 'quoted' - ÉCOLE", "it's quoted école", "it's quoted école"),
    ],
)
def test_normalisers_say_what_they_keep(text, plain, prompt):
    assert letters(text) == plain and english_prompts(text) == prompt
    assert letters(plain) == plain and english_prompts(prompt) == prompt


def test_an_unknown_normaliser_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="no normaliser 'lettres'; there are letters, english_prompts"):
        normaliser("lettres")


def slowly(a: str, b: str) -> int:
    """The recursion itself."""
    if not a or not b:
        return len(a) + len(b)
    return min(slowly(a[1:], b) + 1, slowly(a, b[1:]) + 1, slowly(a[1:], b[1:]) + (a[0] != b[0]))


@settings(max_examples=30, deadline=None)
@given(st.text("ab", max_size=4), st.text("abc", max_size=4))
def test_edits_are_those_of_the_recursion(a, b):
    assert edits(a, b) == slowly(a, b) == edits(b, a)


def test_every_prompt_comes_back_from_its_characters_and_its_pieces():
    characters = CharacterSpelling(symbols=CHARACTERS)
    assert characters.size == 28 and pieces().size == 127
    for spelling in (characters, pieces()):
        for text in texts():
            ids = spelling.ids(text)
            assert spelling.text(ids) == text and all(0 <= number < spelling.size for number in ids)
    assert sum(len(pieces().ids(text)) for text in texts()) < 0.55 * sum(map(len, texts()))


def test_pieces_are_exported_and_need_no_transcripts():
    again = build(json.loads(json.dumps(describe(pieces()))))
    assert [again.ids(text) for text in texts()[:20]] == [pieces().ids(text) for text in texts()[:20]]


def test_pieces_are_of_train_alone(tmp_path):
    said = read_transcripts(DATA / "speech" / "transcripts.tsv")
    folder = tmp_path / "speech"
    folder.mkdir()
    of_train = {key: text for key, text in said.items() if split_of(normalised(text)) == "train"}
    assert 400 < len(of_train) < len(said) - 50
    (folder / "transcripts.tsv").write_text("".join(f"{key}\t{text}\n" for key, text in of_train.items()))
    made = subwords_of_train(size=127, root=str(folder), split="text", normaliser="english_prompts")
    assert made.arguments == pieces().arguments
    everything = subwords_of_train(size=127, root=str(DATA / "speech"), split="all", normaliser="english_prompts")
    assert everything.arguments != pieces().arguments
    with pytest.raises(ValueError, match="split is 'speaker'; it is one of hash, text, all"):
        subwords_of_train(size=9, root=str(folder), split="speaker", normaliser="letters")


def test_every_word_of_the_prompts_has_phonemes():
    spelling = by_lexicon(symbols=PHONEMES, lexicon=str(DATA / "lexicon" / "english.tsv"))
    assert spelling.text(spelling.ids("press hello")) == "P R EH S HH AH L OW"
    assert all(spelling.ids(text) for text in texts())
    with pytest.raises(ValueError, match="the lexicon lacks zweifel, zyx"):
        spelling.ids("press zyx and zweifel")


def test_a_lexicon_is_exported_by_its_content_wherever_it_lay(tmp_path):
    described = []
    for name, line in (("here", "a\tA B\n"), ("there", "a\tA B\n"), ("other", "a\tB\n")):
        (tmp_path / name).write_text(line)
        described.append(json.dumps(describe(by_lexicon(symbols=["A", "B"], lexicon=str(tmp_path / name)))))
    assert described[0] == described[1] != described[2]
    again = build(json.loads(described[0]))
    assert again.ids("a") == [0, 1] and again.text([1, 0]) == "B A"
    with pytest.raises(ValueError, match=r"there is no lexicon nowhere; data/lexicon/english\.tsv is one"):
        by_lexicon(symbols=["A", "B"], lexicon="nowhere")


@pytest.mark.parametrize(
    ("line", "message"), [("word A B", "line 2 of .* is 'word A B'"), ("word\t", "line 2"), ("w\tA X", "X is none")]
)
def test_a_damaged_lexicon_is_named_with_its_line(tmp_path, line, message):
    (tmp_path / "lexicon.tsv").write_text(f"good\tA\n{line}\n")
    with pytest.raises(ValueError, match=message):
        by_lexicon(symbols=["A", "B"], lexicon=str(tmp_path / "lexicon.tsv"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CharacterSpelling(symbols="aba"), "each character of the vocabulary once"),
        (lambda: CharacterSpelling(symbols="ab").ids("abc d"), "lacks ' ', 'c', 'd'"),
        (lambda: PhonemeSpelling(symbols=["A", "A"], lexicon="x"), "each phoneme once"),
        (lambda: PhonemeSpelling(symbols=["A B"], lexicon="x"), "without spaces"),
        (lambda: pieces().ids("ça"), "lacks 'ç'"),
        (lambda: SubwordSpelling(model="no json"), "not the JSON of a BPE tokenizer"),
        (lambda: SubwordSpelling(model='{"model": {"type": "BPE", "vocab": {"a": 1}}}'), "whose ids are 0, 1, 2"),
        (lambda: subwords_of_train(size=9, root="nowhere", split="text", normaliser="letters"), "there is no nowhere"),
    ],
)
def test_bad_input_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_more_pieces_than_the_texts_give_are_refused():
    with pytest.raises(ValueError, match="the 1 texts give 12 pieces, not size=50; set that"):
        trained(size=50, texts=["one two", "one two", ""])
