"""What texts find, as it is kept by an evaluation and shown in the report."""

import numpy as np
import pytest
import torch

from signaltok.metrics.evaluation import Evaluation
from signaltok.metrics.neighbours import NeighbourKeeper, Neighbours
from signaltok.reports.figures import figure
from signaltok.reports.neighbours import FOUND, nearest_sheet, shared_sheet
from signaltok.reports.page import write_report
from signaltok.reports.samples import save_samples


def kept(count: int = 12) -> tuple[Neighbours, torch.Tensor]:
    """Pictures of one colour, in two batches; the text of each finds it, and every third shares a code."""
    levels = torch.linspace(-1, 1, count)
    signal = levels.view(-1, 1, 1, 1).expand(count, 3, 8, 8)
    codes = (torch.arange(count) % 3)[:, None]
    keeper = NeighbourKeeper((-1.0, 1.0))
    texts = tuple(f"grey {n}" for n in range(count))
    keeper.add(signal[:5], texts[:5], codes[:5])
    keeper.add(signal[5:], texts[5:], codes[5:])
    embedding = torch.stack([levels, (1 - levels.square()).clamp_min(0).sqrt()], 1)
    found = keeper.neighbours(embedding, embedding)
    assert found is not None
    return found, signal


def test_the_nearest_come_first_and_the_own_is_known():
    found, signal = kept()
    assert len(found.texts) == 8 and found.nearest.shape == (8, 6, 3, 8, 8)
    assert found.own.tolist() == [0] * 8
    for text, nearest in zip(found.texts, found.nearest, strict=True):
        number = int(text.split()[1])
        expected = ((signal[number] + 1) * 127.5).round().to(torch.uint8)
        assert torch.equal(nearest[0], expected)
    assert [code for code, _ in found.shared] == [0, 1, 2] and all(len(p) == 4 for _, p in found.shared)


def test_what_is_no_picture_with_a_text_is_left():
    keeper = NeighbourKeeper((-1.0, 1.0))
    keeper.add(torch.zeros(2, 1, 100), ("a", "b"), None)
    keeper.add(torch.zeros(2, 3, 8, 8), None, None)
    assert keeper.neighbours(torch.zeros(0, 2), torch.zeros(0, 2)) is None
    keeper.add(torch.zeros(2, 3, 8, 8), ("a", "b"), torch.zeros(2, 4, 4, dtype=torch.int64))
    found = keeper.neighbours(torch.eye(2), torch.eye(2))
    assert found is not None and found.shared == () and shared_sheet(found) is None


def test_sheets_frame_the_own_and_the_report_shows_them(tmp_path):
    found, _ = kept()
    sheet = nearest_sheet(found)
    assert sheet.dtype == np.uint8 and (sheet == np.array(FOUND)).all(2).any()
    assert not (shared_sheet(found) == np.array(FOUND)).all(2).any()
    save_samples(tmp_path, Evaluation(values={}, counts=(), pictures=None, neighbours=found))
    assert {path.name for path in (tmp_path / "samples").iterdir()} >= {"nearest.png", "shared_codes.png"}
    page = write_report(tmp_path).read_text()
    assert "Pictures nearest to a text" in page and "Pictures that share a code" in page
    assert "Originals and reconstructions" not in page


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("test/recall_at_10_image_to_text_adc", "R@10, image to text, adc"),
        ("val/recall_at_1_text_to_image_codes", "R@1, text to image, codes"),
        ("test/recall_at_1_a_to_b_other", "recall at 1 a to b other"),
    ],
)
def test_recalls_have_names_of_their_own(name, label):
    assert figure(name).label == label
    if "other" not in name:
        assert figure(name).text(0.5) == "50.0" and figure(name).better == "more"
