import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from signaltok.reports import plots
from signaltok.reports.run_files import Curve


def curve(name, values, steps=None):
    values = np.asarray(values, dtype=float)
    return Curve(name, np.arange(len(values)) if steps is None else np.asarray(steps), values)


def test_panels_join_splits_and_levels_and_leave_out_what_never_changes():
    panels = plots.curve_panels(
        [
            curve("train/learning_rate", [1, 2]),
            curve("val/usage", [0.1, 0.5]),
            curve("val/usage_0", [0.3, 0.5]),
            curve("val/usage_1", [0.1, 0.6]),
            curve("val/entropy", [1, 2]),
            curve("val/entropy_0", [1, 2]),
            curve("train/usage", [0.2, 0.3]),
            curve("val/bits_per_pixel", [0.1, 0.1]),
            curve("train/broken", [np.nan, np.nan]),
            curve("val/psnr", [20, 21]),
        ]
    )
    assert [panel.title for panel in panels] == ["psnr", "entropy", "usage", "learning rate"]
    assert [one.name for one in panels[1].curves] == ["val/entropy"]
    assert [one.name for one in panels[2].curves] == ["val/usage", "val/usage_0", "val/usage_1", "train/usage"]


def test_thinning_keeps_means_and_the_last_point():
    steps, values = np.arange(10_001), np.arange(10_001) * 2.0
    few_steps, few_values = plots.thinned(steps, values)
    assert len(few_steps) == plots.POINTS
    np.testing.assert_allclose(few_values, few_steps * 2)
    assert (few_steps[-1], few_values[-1]) == (10_000, 20_000)
    sizes = np.diff(np.append(np.linspace(0, 10_000, plots.POINTS, dtype=int)[:-1], 10_000))
    assert (few_values[:-1] * sizes).sum() == pytest.approx(values[:-1].sum())
    assert plots.thinned(steps[:5], values[:5])[1] is not values and len(plots.thinned(steps[:5], values[:5])[0]) == 5


def test_usage_is_drawn_against_the_even_share_up_to_the_dead_codes():
    axes = plots.usage_figure([np.array([0, 6, 2, 0])], plots.PAPER).axes[0]
    line = axes.get_lines()[1]
    assert axes.get_yscale() == "log"
    np.testing.assert_allclose(line.get_xdata(), [12.5, 37.5, 50])
    np.testing.assert_allclose(line.get_ydata(), [3, 1, 1])
    assert line.get_label() == "level 0: 50.0% of 4 codes"


def test_a_level_without_any_token_is_no_crash():
    figure = plots.usage_figure([np.zeros(4, dtype=np.int64), np.array([1, 1])], plots.PAPER)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["level 1: 100.0% of 2 codes"]


def test_svg_takes_its_colours_and_letters_from_the_page():
    panel = plots.Panel("usage", (curve("val/usage", [0.1, 0.5]), curve("train/usage", [0.2, 0.3])))
    text = plots.svg(plots.panel_figure(panel, plots.PAGE), "one")
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg") and "width" not in root.attrib
    assert "var(--series-0)" in text and "var(--series-1)" in text and "var(--ink)" in text
    assert "#0" not in text and "DejaVu" not in text
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert ids and all(name.startswith("one-") for name in ids) and len(ids) == len(set(ids))
    assert text == plots.svg(plots.panel_figure(panel, plots.PAGE), "one")
