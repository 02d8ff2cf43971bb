import base64
import csv
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from well_formed import WellFormed

from signaltok.data.read_image import read_pixels
from signaltok.metrics.evaluation import Evaluation
from signaltok.metrics.kept import Pictures
from signaltok.reports.page import write_report
from signaltok.reports.samples import save_samples

REQUEST = re.compile(r"""(?:src|href|srcset|action)\s*=\s*["']?(?!data:|#)[^"'\s>]+|url\((?!#)|@import|<script""")


class Page(WellFormed):
    def __init__(self, text):
        self.headings, self.images = [], []
        super().__init__(text)

    def handle_starttag(self, tag, attrs):
        super().handle_starttag(tag, attrs)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def pictures(photos, count=3, size=48, codes=True):
    names = sorted(photos.glob("*.jpg"))[:count]
    originals = torch.stack([read_pixels(name)[:, 80 : 80 + size, 120 : 120 + size] for name in names])
    return Pictures(
        originals=originals,
        reconstructions=originals // 8 * 8,
        codes=torch.arange(count * (size // 8) ** 2).view(count, size // 8, size // 8) if codes else None,
        keys=tuple(name.name for name in names),
    )


def fill(run, evaluation, *, levels):
    values = {"psnr": 24.5, "ssim": 0.8} | ({"usage": 0.5, "perplexity": 3.0} if levels else {})
    values |= {f"usage_{n}": 0.5 for n in range(levels)}
    (run / "summary.json").write_text(json.dumps({f"test/{name}": value for name, value in values.items()}))
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["step", "train/loss", "val/psnr"], restval="")
        writer.writeheader()
        writer.writerows({"step": step, "train/loss": 1 / step} for step in range(1, 20))
        writer.writerows({"step": step, "val/psnr": step} for step in (10, 19))
    if levels:
        save_file(
            {f"counts.{n}": counts for n, counts in enumerate(evaluation.counts)}, run / "code_counts.safetensors"
        )
    (run / "config.yaml").write_text("seed: 0\nname: <b>not bold</b>\n")
    (run / "provenance.json").write_text(
        json.dumps(
            {
                "command": "python train.py 'run.name=<x>' && true",
                "git": {"commit": "0123456789abcdef", "dirty": True},
                "seed": 3,
                "versions": {"torch": "2", "zlib": "1"},
                "data": {"root": None, "splits": [1, 2]},
            }
        )
    )
    save_samples(run, evaluation)


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_the_page_of_a_whole_run(tmp_path, photos, levels):
    counts = tuple(torch.tensor([5, 0, 3, 1]) for _ in range(levels))
    evaluation = Evaluation(values={}, counts=counts, pictures=pictures(photos, codes=levels > 0))
    fill(tmp_path, evaluation, levels=levels)
    path = write_report(tmp_path)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path == tmp_path / "report.html"
    assert not REQUEST.search(text), REQUEST.search(text)
    assert "24.50" in text and "0123456789, with changes" in text and "not there" not in text
    assert "&lt;b&gt;not bold&lt;/b&gt;" in text and "<b>" not in text
    assert "python train.py &#x27;run.name=&lt;x&gt;&#x27; &amp;&amp; true" in text
    assert ("Use of the codes" in page.headings) is (levels > 0)
    assert len(page.images) == 3 * (3 if levels else 2)
    first = page.images[0]["src"].removeprefix("data:image/png;base64,")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(first))))
    assert np.array_equal(shown.transpose(2, 0, 1), evaluation.pictures.originals[0].numpy())
    assert ('<table class="levels">' in text) is (levels > 1)


def test_an_empty_folder_says_what_is_not_there(tmp_path):
    text = write_report(tmp_path).read_text(encoding="utf-8")
    Page(text)
    for what in ("The summary", "Samples", "Training curves", "Provenance", "The config"):
        assert f"{what}: not there." in text


@pytest.mark.parametrize(
    "name",
    ["summary.json", "metrics.csv", "code_counts.safetensors", "samples", "config.yaml", "provenance.json"],
)
def test_any_part_may_be_missing(tmp_path, photos, name):
    counts = (torch.tensor([5, 0, 3, 1]),)
    fill(tmp_path, Evaluation(values={}, counts=counts, pictures=pictures(photos)), levels=1)
    (tmp_path / name).rename(tmp_path / "elsewhere")
    text = write_report(tmp_path).read_text(encoding="utf-8")
    Page(text)
    assert text.count("not there.") == 1


@pytest.mark.parametrize("name", ["summary.json", "provenance.json", "code_counts.safetensors"])
def test_a_damaged_file_is_named(tmp_path, name):
    (tmp_path / name).write_text("{")
    with pytest.raises(ValueError, match=f"{name} is damaged"):
        write_report(tmp_path)


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="give the folder of a run"):
        write_report(tmp_path / "nowhere")


def test_large_pictures_do_not_make_a_large_page(tmp_path):
    noise = torch.randint(0, 256, (8, 3, 320, 320), dtype=torch.uint8)
    kept = Pictures(originals=noise, reconstructions=noise, codes=None, keys=tuple("abcdefgh"))
    save_samples(tmp_path, Evaluation(values={}, counts=(), pictures=kept))
    path = write_report(tmp_path)
    assert path.stat().st_size < 3_000_000
    assert 2 <= len(Page(path.read_text(encoding="utf-8")).images) < 16


def test_samples_hold_what_was_evaluated(tmp_path, photos):
    kept = pictures(photos)
    (tmp_path / "metrics.csv").write_text("step,epoch,val/psnr\n1,0,\n2,0,20.5\n1,0,19.0\n")
    folder = save_samples(tmp_path, Evaluation(values={}, counts=(torch.tensor([1, 0, 2]),), pictures=kept))
    tensors = load_file(folder / "samples.safetensors")
    assert torch.equal(tensors["originals"], kept.originals)
    assert torch.equal(tensors["reconstructions"], kept.reconstructions)
    assert kept.codes is not None and torch.equal(tensors["codes.0"], kept.codes)
    names = {"samples.safetensors", "grid.png", "tokens.png", "usage.png", "curves.png"}
    assert {file.name for file in folder.iterdir()} == names
    again = save_samples(tmp_path, Evaluation(values={}, counts=(), pictures=None))
    assert {file.name for file in again.iterdir()} == {"curves.png"}
