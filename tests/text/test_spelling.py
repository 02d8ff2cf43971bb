"""Normalisers, edit distance, and spellings by characters, phonemes and sub-words."""

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaltok.artifact.describe import build, describe
from signaltok.text.edits import edits
from signaltok.text.normalise import english_prompts, letters, normaliser
from signaltok.text.phonemes import PhonemeSpelling
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
    return trained(size=127, transcripts=str(DATA / "speech" / "transcripts.tsv"), normaliser="english_prompts")


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


def test_every_word_of_the_prompts_has_phonemes():
    spelling = PhonemeSpelling(symbols=PHONEMES, lexicon=str(DATA / "lexicon" / "english.tsv"))
    assert spelling.text(spelling.ids("press hello")) == "P R EH S HH AH L OW"
    assert all(spelling.ids(text) for text in texts())
    with pytest.raises(ValueError, match=r"english\.tsv lacks zweifel, zyx"):
        spelling.ids("press zyx and zweifel")


def test_a_tokenizer_that_was_exported_reads_phonemes_without_the_lexicon():
    assert PhonemeSpelling(symbols=["A", "B"], lexicon="nowhere").text([1, 0]) == "B A"
    with pytest.raises(ValueError, match=r"there is no lexicon nowhere; data/lexicon/english\.tsv is one"):
        PhonemeSpelling(symbols=["A", "B"], lexicon="nowhere").ids("a")


@pytest.mark.parametrize(
    ("line", "message"), [("word A B", "line 2 of .* is 'word A B'"), ("word\t", "line 2"), ("w\tA X", "X is none")]
)
def test_a_damaged_lexicon_is_named_with_its_line(tmp_path, line, message):
    (tmp_path / "lexicon.tsv").write_text(f"good\tA\n{line}\n")
    with pytest.raises(ValueError, match=message):
        PhonemeSpelling(symbols=["A", "B"], lexicon=str(tmp_path / "lexicon.tsv")).ids("good")


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
        (lambda: trained(size=9, transcripts="nowhere", normaliser="letters"), "there is no nowhere"),
    ],
)
def test_bad_input_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_more_pieces_than_the_texts_give_are_refused(tmp_path):
    (tmp_path / "t.tsv").write_text("a\tone two\n")
    with pytest.raises(ValueError, match="give 12 pieces, not size=50; set that"):
        trained(size=50, transcripts=str(tmp_path / "t.tsv"), normaliser="letters")
