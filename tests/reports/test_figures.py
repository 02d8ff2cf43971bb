import pytest

from signaltok.metrics.codes import summarize_counts
from signaltok.reports.figures import RUN, columns, figure, in_order, summary_table


def named(summary):
    return {row.label: row for row in summary_table(summary)}


def test_every_figure_has_its_unit_and_its_text_by_split():
    rows = named(
        {
            "val/psnr": 24.126,
            "test/psnr": 23.5,
            "test/ssim": 0.81236,
            "test/bits_per_pixel": 0.15625,
            "test/usage": 0.9344,
            "test/dead": 67.0,
            "test/tokens": 183040.0,
            "train/seconds": 312.44,
            "train/loss": 0.01,
        }
    )
    assert rows["PSNR"].cells == {"test": "23.50", "val": "24.13"} and rows["PSNR"].unit == "dB"
    assert rows["SSIM"].cells == {"test": "0.8124"}
    assert rows["bits per pixel"].cells == {"test": "0.1562"}
    assert (rows["usage"].cells["test"], rows["usage"].unit) == ("93.4", "%")
    assert rows["dead codes"].cells["test"] == "67"
    assert rows["tokens seen"].cells["test"] == "183,040"
    assert (rows["training time"].cells, rows["training time"].unit) == ({RUN: "312.4"}, "s")
    assert "loss" not in rows


def test_order_is_fixed_whatever_the_order_of_the_summary():
    summary = {"test/usage": 1.0, "run/seconds": 2.0, "test/ssim": 0.5, "test/psnr": 20.0, "test/lpips": 0.123456}
    labels = [row.label for row in summary_table(summary)]
    assert labels == ["PSNR", "SSIM", "usage", "lpips", "run time"]
    assert labels == [row.label for row in summary_table(dict(reversed(summary.items())))]
    assert named(summary)["lpips"].cells == {"test": "0.1235"}


@pytest.mark.parametrize("levels", [1, 3])
def test_levels_have_rows_of_their_own_where_there_are_several(levels):
    from torch import arange

    values = summarize_counts(tuple(arange(12) + level for level in range(levels)), 1000)
    rows = summary_table({f"val/{name}": value for name, value in values.items()})
    own = [row for row in rows if row.level is not None]
    assert [row.label for row in rows if row.level is None] == [
        "bits per pixel", "entropy bits per pixel", "usage", "perplexity", "entropy", "dead codes", "tokens seen",
    ]  # fmt: skip
    expected = [
        f"{name}, level {n}" for n in range(levels) for name in ("usage", "perplexity", "entropy", "dead codes")
    ]
    assert [row.label for row in own] == (expected if levels > 1 else [])


def test_splits_are_those_there_are():
    assert columns({"val/psnr": 1.0, "test/psnr": 1.0, "train/loss": 1.0}) == ["test", "val"]
    assert columns({"train/loss": 1.0}) == [] and summary_table({}) == []


def test_what_is_not_finite_is_shown_as_it_is():
    rows = named({"test/psnr": float("inf"), "val/psnr": float("nan")})
    assert rows["PSNR"].cells == {"test": "inf", "val": "nan"}


def test_a_figure_by_its_key():
    assert (figure("val/usage_2").label, figure("val/usage_2").text(0.5)) == ("usage, level 2", "50.0")
    assert figure("test/lpips").label == "lpips" and figure("train/seconds").unit == "s"
    better = {key: figure(f"test/{key}").better for key in ("psnr", "bits_per_pixel", "dead", "tokens", "loss", "own")}
    assert better == {"psnr": "more", "bits_per_pixel": "less", "dead": "less", "tokens": "", "loss": "less", "own": ""}


def test_keys_stand_in_the_order_of_the_table():
    keys = ["run/seconds", "val/psnr", "test/own", "test/usage_0", "test/usage", "test/psnr", "train/loss", "test/psnr"]
    assert in_order(keys) == ["test/psnr", "test/usage", "test/own", "val/psnr", "run/seconds"]
    assert in_order(["test/usage_1", "test/usage_0", "test/usage"]) == ["test/usage", "test/usage_0", "test/usage_1"]


def test_a_protocol_follows_the_meaning_of_its_figure():
    summary = {"test/psnr": 20.0, "test/fd_effnet": 12.3456, "val/fd_effnet": 9.0, "test/kid_effnet": -0.00012}
    rows = {row.label: row for row in summary_table(summary, {"test/fd_effnet": "of 715", "val/fd_effnet": "of 550"})}
    row = rows["FD-effnet"]
    assert row.cells == {"test": "12.346", "val": "9.000"}
    assert row.meaning == "Fréchet distance of EfficientNet features; not FID; test: of 715; val: of 550"
    assert rows["KID-effnet"].cells == {"test": "-0.00012"} and "of" in rows["KID-effnet"].meaning
    assert rows["PSNR"].meaning == named(summary)["PSNR"].meaning
    assert figure("test/fd_effnet").better == "less"
