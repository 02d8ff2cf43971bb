"""The committed emoji, and damaged copies of them."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from signaltok.data.affine_colour import AffineColour
from signaltok.data.emoji_data import EmojiData
from signaltok.data.emoji_source import EmojiSource, chosen_words
from signaltok.data.split import bucket_of

EMOJI = Path(__file__).parents[2] / "data" / "emoji"
COLOUR = {"degrees": 15.0, "shift": 0.1, "scale": [0.8, 1.2], "flip": 0.5, "gain": 0.2, "mix": 0.1, "offset": 0.05}


@pytest.fixture(scope="module")
def source() -> EmojiSource:
    return EmojiSource(root=str(EMOJI))


def data(**changes) -> EmojiData:
    arguments = {
        "root": str(EMOJI), "pair_root": None, "size": 64, "tones": True, "least_words": 0.4,
        "augmentation": AffineColour(**COLOUR), "batch_size": 6, "eval_batch_size": 100, "num_workers": 0,
    }  # fmt: skip
    return EmojiData(**(arguments | changes))


def test_the_split_is_by_concept_and_no_drawing_is_on_both_sides(source):
    train, val, test = (source.keys(split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (1739, 179, 172)
    assert set(val) < set(train) and not set(train) & set(test)
    assert not {source.concept(key) for key in train} & {source.concept(key) for key in test}
    assert all(bucket_of(source.concept(key), 10) == 0 for key in test)
    drawings = {source.pixels(key).numpy().tobytes() for key in train}
    assert not [key for key in test if source.pixels(key).numpy().tobytes() in drawings]
    # A person, a man and a woman doing the same are one concept.
    assert len({source.concept(key) for key in ("1F3C4", "1F3C4-200D-2642-FE0F", "1F3C4-200D-2640-FE0F")}) == 1


def test_an_emoji_is_a_drawing_on_white_with_words_and_a_category(source):
    pixels = source.pixels("2764-FE0F")  # the red heart
    assert pixels.shape == (3, 64, 64) and pixels.dtype == torch.uint8
    assert pixels[:, 0, 0].tolist() == [255] * 3
    red, green, blue = pixels[:, 32, 32].tolist()
    assert red > 200 and green < 80 and blue < 100
    assert {"red", "heart", "emotion"} & set(source.words("2764-FE0F")) >= {"red", "heart"}
    assert source.categories[source.label("2764-FE0F")] == "Smileys & Emotion"
    assert len(source.tones("1F44B")) == 6 and len(source.tones("2764-FE0F")) == 1  # a hand in five tones, and as it is
    assert len(source.categories) == 10


def test_training_is_a_function_of_seed_and_number():
    one, other = data().train_set(3), data().train_set(3)
    before = torch.get_rng_state()
    for number in (0, 7, 2000):
        a, b = one[number], other[number]
        assert a.key == b.key and a.text == b.text and torch.equal(a.signal, b.signal)
    assert torch.equal(before, torch.get_rng_state())
    assert any(data().train_set(4)[n].text != one[n].text for n in range(3))
    places = one._passes
    again = next(n for n in range(1739, 3478) if places.place(n) == places.place(0))
    assert one[again].text != one[0].text or not torch.equal(one[again].signal, one[0].signal)


def test_batches_have_text_and_labels():
    emoji = data()
    assert emoji.optional_fields() == {"text", "labels"}
    batch = next(iter(emoji.train_loader(seed=0, num_batches=1, start_batch=0, rank=0, world=1)))
    assert batch.signal.shape == (6, 3, 64, 64) and batch.pair is None
    assert len(batch.text) == 6 and batch.labels.shape == (6,)
    assert batch.signal.min() >= -1 and batch.signal.max() <= 1
    whole = next(iter(emoji.eval_loader("test", rank=0, world=1)))
    assert whole.text[0] == " ".join(emoji.source.words(whole.keys[0]))
    small = next(iter(data(size=16).eval_loader("test", rank=0, world=1))).signal
    torch.testing.assert_close(small, torch.nn.functional.avg_pool2d(whole.signal, 4), rtol=0, atol=0.5 / 127.5 + 1e-5)
    assert emoji.describe()["eval_items"] == {"val": 179, "test": 172}


def test_a_share_of_the_words_stays_in_order():
    words = tuple("abcdefghij")
    lengths = set()
    for _ in range(200):
        kept = chosen_words(words, 0.4).split()
        assert kept == sorted(set(kept)) and set(kept) <= set(words)
        lengths.add(len(kept))
    assert lengths == {4, 5, 6, 7, 8, 9, 10}
    assert chosen_words(("one",), 0.4) == "one" and chosen_words(words, 1.0) == " ".join(words)


def test_a_second_folder_gives_pairs():
    pairs = data(pair_root=str(EMOJI), augmentation=None, tones=False)
    batch = next(iter(pairs.train_loader(seed=0, num_batches=1, start_batch=0, rank=0, world=1)))
    assert torch.equal(batch.pair, batch.signal) and pairs.optional_fields() == {"text", "labels", "pair"}
    assert pairs.fingerprint() != data().fingerprint() == data().fingerprint()


def test_the_augmentation_keeps_white_and_can_do_nothing(source):
    pixels = source.pixels("1F600")
    none = AffineColour(degrees=0.0, shift=0.0, scale=[1.0, 1.0], flip=0.0, gain=0.0, mix=0.0, offset=0.0)
    assert torch.equal(none(pixels), pixels)
    mirror = AffineColour(degrees=0.0, shift=0.0, scale=[1.0, 1.0], flip=1.0, gain=0.0, mix=0.0, offset=0.0)
    assert torch.equal(mirror(pixels), pixels.flip(2))
    blank = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    assert torch.equal(AffineColour(**(COLOUR | {"offset": 0.0}))(blank), blank)
    changed = AffineColour(**COLOUR)(pixels)
    assert changed.shape == pixels.shape and changed.dtype == torch.uint8 and not torch.equal(changed, pixels)
    for wrong in ({"scale": [0.0, 1.0]}, {"flip": 2.0}, {"shift": -1.0}):
        with pytest.raises(ValueError, match=r"scale is|flip"):
            AffineColour(**(COLOUR | wrong))


def test_folders_that_are_no_emoji_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there is no sheet\.png in data\.root="):
        data(root=str(tmp_path))
    shutil.copy(EMOJI / "sheet.png", tmp_path)
    lines = (EMOJI / "names.tsv").read_text(encoding="utf-8").splitlines()
    for content, message in (
        ([lines[0].replace("code", "codes"), *lines[1:3]], "has the columns"),
        ([*lines[:2], "2A\tstar"], "line 3 of .* has fewer columns"),
        (lines[:1], "names no emoji"),
    ):
        (tmp_path / "names.tsv").write_text("\n".join(content), encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            data(root=str(tmp_path))
    (tmp_path / "names.tsv").write_text("\n".join(lines), encoding="utf-8")
    Image.new("RGB", (66, 66)).save(tmp_path / "sheet.png")
    with pytest.raises(ValueError, match="outside the 1 x 1 cells"):
        data(root=str(tmp_path))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 48}, "emoji have 64 pixels"),
        ({"least_words": 0.0}, "least_words is 0.0"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_settings_that_do_not_fit_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        data(**wrong)
