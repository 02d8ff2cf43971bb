"""signaltok compare: one table, refusals, and what is left out."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

from small_runs import write_run

from signaltok.cli.main import main


@pytest.fixture
def sweep(tmp_path):
    for number, psnr in enumerate((20.0, 21.0)):
        write_run(tmp_path / "sweep" / str(number), psnr=psnr, changes={"seed": number})
    write_run(tmp_path / "sweep" / "2", psnr=25.0, changes={"optimization.learning_rate": 0.002})
    write_run(tmp_path / "sweep" / "3", psnr=25.0, changes={"optimization.learning_rate": 0.003}, finished=False)
    return tmp_path / "sweep"


def rows(text):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def test_the_table_and_the_page(sweep, tmp_path, capsys):
    assert main(["compare", str(sweep), "--out", str(tmp_path / "page.html")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("experiment  tiny\ndata        photos contents:0123456789ab\nprotocol    ")
    assert "test PSNR ▼" in out and "optimization.learning_rate" in out
    assert [row[:3] for row in rows(out)] == [["0.002", "1", "25.00 ± –"], ["0.001", "2", "20.50 ± 0.71"]]
    assert err == f"signaltok: {sweep / '3'} is not finished (no summary.json): left out\n"
    assert (tmp_path / "page.html").is_file()


def test_it_refuses_to_rank_other_data_and_says_so_in_one_line(sweep, tmp_path, capsys):
    other = write_run(tmp_path / "other", psnr=30.0, provenance={"data": {"fingerprint": "contents:ffff"}})
    assert main(["compare", str(sweep), str(other)]) == 1
    out, err = capsys.readouterr()
    (refusal,) = [line for line in err.splitlines() if "cannot be ranked" in line]
    assert not out and "contents:ffff in " + str(other) in refusal and "--unranked" in refusal
    assert main(["compare", str(sweep), str(other), "--unranked"]) == 0
    out = capsys.readouterr().out
    assert "not ranked  data fingerprint:" in out and "▼" not in out
    assert [row[:3] for row in rows(out)] == [
        ["0.001", "contents:0123456789ab", "2"],
        ["0.002", "contents:0123456789ab", "1"],
        ["0.001", "contents:ffff", "1"],
    ]


def test_a_table_is_as_wide_as_it_needs(tmp_path, capsys):
    for name in "ab":
        changes = {f"optimization.a_key_with_a_long_name_{number}": f"{name}{number}" for number in range(6)}
        write_run(tmp_path / name, psnr=20.0, changes=changes)
    assert main(["compare", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert all(f"optimization.a_key_with_a_long_name_{number} " in out for number in range(6))
    assert len(rows(out)) == 2


def test_calls_that_cannot_be(sweep, tmp_path, capsys):
    assert main(["compare", str(sweep), "--unranked", "--metric", "test/psnr"]) == 1
    assert "give one of them" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["compare", str(tmp_path / "empty")]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "signaltok: there is no finished run to compare"


def test_settings_that_differ_in_many_keys_come_with_their_figures_first(tmp_path, capsys):
    many = {f"quantizer.option_{number}": number for number in range(9)}
    write_run(tmp_path / "a", psnr=30.0)
    write_run(tmp_path / "b", psnr=31.0, changes=many)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    figures, differing = capsys.readouterr().out.split("what differs")
    assert figures.index("31.00") < figures.index("30.00") and "option_8" not in figures
    assert all(f"quantizer.option_{number}" in differing for number in range(9)) and "1 tiny" in differing
