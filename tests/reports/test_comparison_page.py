import json
import re

import pytest
from small_runs import write_run
from well_formed import WellFormed

from signaltok.reports.comparison import compare
from signaltok.reports.comparison_page import page_data, write_comparison
from signaltok.reports.found_runs import as_json, read_run

REQUEST = re.compile(r"""(?:src|href|srcset|action)\s*=\s*["']?(?!data:|#)[^"'\s>]+|url\((?!#)|@import|fetch\(""")
EVIL = "</script><script>alert(1)</script><b>"


class Page(WellFormed):
    def __init__(self, text):
        self.scripts, self.tags, self.cells = [], [], []
        super().__init__(text)

    def handle_starttag(self, tag, attrs):
        super().handle_starttag(tag, attrs)
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append("")
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        if "td" in self.open:
            self.cells[-1] += data


def comparison(tmp_path, *, ranked=True):
    runs = [
        write_run(tmp_path / "a", psnr=20.0, changes={"quantizer.name": EVIL}, provenance={"overrides": []}),
        write_run(tmp_path / "b", psnr=22.0, changes={"quantizer.name": EVIL, "seed": 1}),
        write_run(tmp_path / "<c>", psnr=float("nan"), changes={"quantizer.codebook_size": 32}),
    ]
    return compare([read_run(run) for run in runs], metric=None, ranked=ranked)


def test_the_page_is_whole_asks_for_nothing_and_escapes_its_inputs(tmp_path):
    path = write_comparison(comparison(tmp_path), tmp_path / "out" / "page.html", everything=False)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not REQUEST.search(text), REQUEST.search(text)
    assert len(page.scripts) == 2 and "b" not in page.tags
    assert EVIL in page.cells and "alert(1)" in page.scripts[0]
    assert page.cells[:4] == ["16", EVIL, "2", "21.00 ± 1.41"]
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text
    drawn = json.loads(page.scripts[0])
    assert drawn == json.loads(json.dumps(page_data(comparison_of(tmp_path))))


def comparison_of(tmp_path):
    return compare([read_run(tmp_path / name) for name in ("a", "b", "<c>")], metric=None, ranked=True)


def test_sounds_are_ranked_by_their_distortion_and_have_rates_in_the_unit_that_is_said(tmp_path):
    sounds = {"test/si_sdr": 4.5, "test/bitrate": 4000.0, "test/effective_bitrate": 3800.0}
    runs = [
        write_run(tmp_path / name, psnr=20.0, summary={**sounds, "test/si_sdr": value}, changes=changes)
        for name, value, changes in (("a", 4.5, {}), ("b", 5.0, {"quantizer.codebook_size": 32}))
    ]
    found = [read_run(run) for run in runs]
    for run in found:
        for split in ("val", "test"):
            run.summary.pop(f"{split}/psnr", None)
    heard = compare(found, metric=None, ranked=True)
    assert heard.metric == "test/si_sdr"
    assert {"test/bitrate", "test/effective_bitrate"} <= set(heard.keys(everything=False))
    figures = page_data(heard)["settings"][0]["runs"][0]["figures"]
    assert figures["test/si_sdr"] == 5.0 and figures["test/bitrate"] == 4.0


def test_the_data_of_the_plots(tmp_path):
    data = page_data(comparison(tmp_path))
    assert [column["names"] for column in data["columns"]] == [["quantizer.codebook_size"], ["quantizer.name"]]
    assert [column["values"] for column in data["columns"]] == [[16, 32], [EVIL, None]]
    first, second = data["settings"]
    assert [run["seed"] for run in first["runs"]] == [0, 1]
    assert first["runs"][0]["figures"]["test/psnr"] == 20.0 and first["runs"][0]["figures"]["test/usage"] == 50.0
    assert second["runs"][0]["figures"]["test/psnr"] is None
    assert first["runs"][0]["codebook_size"] == 16 and second["runs"][0]["codebook_size"] == 32
    assert first["runs"][1]["curves"]["val/psnr"] == [[4.0], [22.0]]
    assert len(first["runs"][0]["curves"]["train/loss"][0]) == 4
    assert first["label"] == f"codebook size 16, name {EVIL}" and second["label"] == "codebook size 32"


def test_what_differs_stands_on_an_unranked_page(tmp_path):
    one, other = write_run(tmp_path / "a", psnr=1.0), write_run(tmp_path / "b", psnr=2.0, changes={"data.size": 8})
    found = compare([read_run(one), read_run(other)], metric=None, ranked=False)
    text = write_comparison(found, tmp_path / "page.html", everything=True).read_text(encoding="utf-8")
    Page(text)
    assert "data.size: 64 in" in text and "not ranked" in text


def test_a_folder_is_no_page(tmp_path):
    found = comparison(tmp_path)
    with pytest.raises(ValueError, match="is a folder"):
        write_comparison(found, tmp_path, everything=False)


def test_json_in_a_page_cannot_end_its_element():
    text = as_json({"a": "</script>&<!--\u2028"})
    assert "<" not in text and "&" not in text and "\u2028" not in text
    assert json.loads(text) == {"a": "</script>&<!--\u2028"}


def test_where_many_keys_differ_the_figures_come_first(tmp_path):
    many = {f"quantizer.option_{number}": number for number in range(9)}
    runs = [write_run(tmp_path / "a", psnr=20.0), write_run(tmp_path / "b", psnr=22.0, changes=many)]
    compared = compare([read_run(run) for run in runs], metric=None, ranked=True)
    page = Page(write_comparison(compared, tmp_path / "page.html", everything=False).read_text(encoding="utf-8"))
    assert page.cells[:3] == ["tiny", "1", "22.00 ± –"]
    assert [setting["label"] for setting in page_data(compared)["settings"]] == ["1 tiny", "2 tiny"]
