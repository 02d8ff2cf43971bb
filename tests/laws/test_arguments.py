"""What a part is built with is of the kind its constructor says, or an error that names the argument."""

from collections.abc import Sequence

import pytest

from signaltok.parts import Part
from signaltok.quantizers.chart import Chart, Direction, Stereographic


class Example(Part):
    def __init__(
        self,
        *,
        count: int,
        share: float,
        on: bool,
        name: str | None,
        chart: Chart | None,
        widths: list[int],
        grids: Sequence[list[float]] | None,
        charts: dict[str, Chart],
    ) -> None:
        self.given = (count, share, on, name, chart, widths, grids, charts)


RIGHT = {
    "count": 3, "share": 0.5, "on": True, "name": "a", "chart": Direction(), "widths": [8, 16], "grids": [[1, 0.5], []],
    "charts": {"one": Direction()},
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"share": 1},
        {"name": None},
        {"chart": None},
        {"chart": Stereographic(radius=1.0)},
        {"widths": (8,)},
        {"widths": []},
        {"grids": None},
        {"charts": {}},
    ],
)
def test_what_fits_is_kept_as_it_is(changes) -> None:
    given = RIGHT | changes
    part = Example(**given)
    assert part.given == tuple(given.values()) and part.arguments == given


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("count", 2.0, "int"), ("count", "3", "int"), ("count", True, "int"), ("count", None, "int"),
        ("share", "0.5", "float"), ("share", False, "float"), ("share", [0.5], "float"),
        ("on", "maybe", "bool"), ("on", 1, "bool"), ("on", None, "bool"),
        ("name", 3, "str or null"), ("chart", 1.0, "Chart or null"), ("chart", {"radius": 1.0}, "Chart or null"),
        ("widths", 8, "list of int"), ("widths", "8", "list of int"), ("widths", [8, 0.5], "list of int"),
        ("widths", [True], "list of int"), ("widths", None, "list of int"), ("widths", {"a": 8}, "list of int"),
        ("grids", [1.0], "list of list of float or null"), ("grids", [["a"]], "list of list of float or null"),
        ("charts", [Direction()], "table of Chart"), ("charts", {"one": 2}, "table of Chart"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_name_value_and_type(name, value, wanted) -> None:
    with pytest.raises(ValueError) as caught:
        Example(**RIGHT | {name: value})
    assert str(caught.value) == (
        f"Example.{name} is {value!r}, of type {type(value).__name__}; it must be of type {wanted}"
    )


def test_arguments_without_a_name_or_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Stereographic takes keyword arguments only, got \(1\.0,\)"):
        Stereographic(1.0)  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValueError, match="Stereographic: got an unexpected keyword argument 'radios'"):
        Stereographic(radius=1.0, radios=1.0)  # pyright: ignore[reportCallIssue]
