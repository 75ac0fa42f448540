"""What notebooks show: escaped tables without colours of their own, and figures that show themselves."""

from __future__ import annotations

from html.parser import HTMLParser

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import nn

import zoo
from zoo.notebook import draw_bars, html_table, html_text, innermost

PNG = b"\x89PNG\r\n\x1a\n"


class Cells(HTMLParser):
    """The texts of a table's cells, and the tags there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
        self.head = nn.Linear(4, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.body(self.stem(image)).mean((2, 3)))
        return result


def widths_of(axes: Axes) -> list[float]:
    return [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]


PIXELS = 16 * 16
MACS = {"stem": 8 * 27 * PIXELS, "body.0": 8 * 72 * PIXELS, "body.2": 4 * 8 * PIXELS, "head": 40}


def test_every_text_is_escaped_and_stays_the_same() -> None:
    hostile = "<script>alert('&')</script>"
    found = Cells(html_table([hostile, "n"], [(hostile, 1)], right=["n"]) + html_text(hostile))
    assert found.cells == [hostile, "n", hostile, "1", hostile]
    assert found.tags == {"table", "tr", "th", "td", "p"}


def test_the_innermost_modules_are_those_without_another_inside() -> None:
    assert innermost(["", "a", "a.b", "ab"]) == [False, False, True, True]
    assert innermost([""]) == [True]


def test_a_count_shows_its_totals_and_modules_in_the_notebooks_colours() -> None:
    cost = zoo.count(Net(), (3, 16, 16))
    page = cost._repr_html_()
    cells = Cells(page).cells
    assert next(iter(cost.summary().values())) in cells
    assert {"stem", "body.0", "body.2", "head"} <= set(cells)
    assert "color:#" not in page
    assert "background:#" not in page


def test_a_counts_picture_has_a_bar_for_each_innermost_module() -> None:
    figure = zoo.count(Net(), (3, 16, 16)).plot(depth=2)
    (axes,) = figure.axes
    widths = {label.get_text(): width for label, width in zip(axes.get_yticklabels(), widths_of(axes), strict=True)}
    assert widths == MACS
    outer = zoo.count(Net(), (3, 16, 16)).plot()
    assert [label.get_text() for label in outer.axes[0].get_yticklabels()] == ["stem", "body", "head"]
    assert figure._repr_png_().startswith(PNG)  # type: ignore[attr-defined]


def test_a_step_of_training_shows_both_passes() -> None:
    step = zoo.count(Net(), (3, 16, 16), batch=2, training=True)
    assert set(step.summary().values()) <= set(Cells(step._repr_html_()).cells)
    (axes,) = step.plot(depth=2).axes
    assert sum(widths_of(axes)) == step.macs


def test_a_name_is_no_mathematics_and_the_whole_model_has_a_name() -> None:
    (axes,) = draw_bars("$x$", ["", "a_$1$"], {"MACs": [1, 2]}, "MACs").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["(model)", "a_$1$"]
    assert draw_bars("$\\", ["$\\"], {"MACs": [1]}, "MACs")._repr_png_().startswith(PNG)  # type: ignore[attr-defined]
