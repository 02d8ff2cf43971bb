"""The loss of CTC against the sum over all paths, items without a path, and what is ignored."""

import itertools
import logging
import math

import pytest
import torch

from signaltok.objectives.ctc import Ctc, least_cells
from signaltok.objectives.objective import Objective
from signaltok.quantizers.ctc import CtcQuantizer
from signaltok.text.spelling import CharacterSpelling
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.runs import collapsed
from signaltok.types.token_stack import valid_mask
from signaltok.types.transcript import Transcript

AB = CharacterSpelling(symbols="ab")


def term(**changes) -> Ctc:
    return Ctc(**{"spelling": AB, "per": "token", "unfit": "error"} | changes)


def loss(term: Ctc, latent: torch.Tensor, texts: list[str], cells: list[int] | None = None) -> torch.Tensor:
    mask = None if cells is None else valid_mask(torch.tensor(cells)[:, None], (latent.shape[2],))
    signal = torch.zeros(len(latent), 1, 8)
    batch = Batch(signal=signal, keys=tuple(f"item{n}" for n in range(len(texts))), text=tuple(texts))
    made = Reconstruction(signal=signal, quantized=Quantized(z_q=latent, codes=()), latent=latent, mask=mask)
    return term(batch, made)


def by_hand(latent: torch.Tensor, text: str) -> float:
    """- log of the sum of the probabilities of all paths that collapse to the text."""
    chances = latent.double().softmax(0)
    total = 0.0
    for path in itertools.product(range(3), repeat=latent.shape[1]):
        tokens, _ = collapsed(torch.tensor(path), 2, 1, len(path))
        if tokens.tolist() == AB.ids(text):
            total += math.prod(float(chances[code, cell]) for cell, code in enumerate(path))
    return -math.log(total)


def test_the_loss_is_that_of_all_paths():
    latent = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    each = [by_hand(latent[0], "aab"), by_hand(latent[1, :, :3], "b")]
    assert float(loss(term(), latent, ["aab", "b"], [5, 3])) == pytest.approx(sum(each) / 4)
    assert float(loss(term(per="item"), latent, ["aab", "b"], [5, 3])) == pytest.approx((each[0] / 3 + each[1]) / 2)


def test_padding_has_neither_value_nor_gradient():
    latent = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    value = loss(term(), latent, ["ab", "ba"], [6, 4])
    value.backward()
    assert not latent.grad[1, :, 4:].any() and latent.grad[1, :, :4].abs().sum() > 0
    wild = latent.detach().clone()
    wild[1, :, 4:] = float("nan")
    assert torch.equal(loss(term(), wild, ["ab", "ba"], [6, 4]), value.detach())


@pytest.mark.parametrize(("text", "least"), [("", 0), ("ab", 2), ("aab", 4), ("aaa", 5)])
def test_equal_neighbours_need_a_blank_between(text, least):
    assert least_cells(AB.ids(text)) == least


@pytest.mark.parametrize(
    ("text", "reason"),
    [("aab", "3 tokens need 4 cells, it has 3"), ("", "the transcript is empty"), ("ac", "the vocabulary lacks 'c'")],
)
def test_an_item_without_a_path_is_named_before_the_first_step_and_never_nan(text, reason, caplog):
    transcripts = [
        Transcript("good.wav", "train", "ab", 24),
        Transcript("bad.wav", "train", text, 24),
        Transcript("elsewhere.wav", "test", text, 24),
    ]
    weights = {"ctc": 1.0}
    with pytest.raises(ValueError, match=rf"objective\.terms\.ctc: 1 items of train .*: bad\.wav: {reason}.*leave_out"):
        Objective(terms={"ctc": term()}, weights=weights).check_transcripts(transcripts, 8)
    with caplog.at_level(logging.WARNING):
        Objective(terms={"ctc": term(unfit="leave_out")}, weights=weights).check_transcripts(transcripts, 8)
    assert f"1 items of train cannot be learned: bad.wav: {reason}" in caplog.text
    latent = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()
    with pytest.raises(ValueError, match=rf"item1 cannot be learned: {reason}"):
        loss(term(), latent, ["ab", text])
    left = loss(term(unfit="leave_out"), latent, ["ab", text])
    assert left.item() == pytest.approx(by_hand(latent[0].detach(), "ab") / 2, rel=1e-5)
    left.backward()
    assert not latent.grad[1].any()
    nothing = loss(term(unfit="leave_out"), latent, [text, text])
    assert nothing.item() == 0.0 and nothing.requires_grad


def test_many_items_without_a_path_are_counted():
    transcripts = [Transcript(f"{n}.wav", "train", "aaaa", 8) for n in range(20)]
    with pytest.raises(ValueError, match=r"20 items of train .* and 12 more"):
        term().check_transcripts(transcripts, 8)


def test_items_that_fit_pass():
    term().check_transcripts([Transcript("a", "train", "aab", 25)], 8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: term(per="frame"), "per is 'frame'; it is one of token, item"),
        (lambda: term(unfit="skip"), "unfit is 'skip'"),
        (lambda: term().check(CtcQuantizer(latent_dim=5)), r"latent needs 3 channels, not 5; set encoder\.latent_dim"),
        (lambda: CtcQuantizer(latent_dim=1), "a token or more and the blank"),
    ],
)
def test_bad_settings_are_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_batch_without_text_is_an_error():
    batch = Batch(signal=torch.zeros(1, 1, 8), keys=("a",))
    made = Reconstruction(batch.signal, Quantized(z_q=torch.zeros(1, 3, 4), codes=()), torch.zeros(1, 3, 4))
    with pytest.raises(ValueError, match="the batch has no text"):
        term()(batch, made)
