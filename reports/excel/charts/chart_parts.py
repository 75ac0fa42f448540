"""Parts of charts: openpyxl's objects with the fonts, lines and colours of the workbook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openpyxl.chart.axis import ChartLines, Scaling
from openpyxl.chart.data_source import AxDataSource, NumData, NumDataSource, NumFmt, NumRef, NumVal
from openpyxl.chart.label import DataLabel, DataLabelList
from openpyxl.chart.legend import Legend
from openpyxl.chart.marker import Marker
from openpyxl.chart.scatter_chart import ScatterChart
from openpyxl.chart.series import SeriesLabel, XYSeries
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.chart.text import RichText, Text
from openpyxl.chart.title import Title
from openpyxl.descriptors import Typed
from openpyxl.drawing.colors import ColorChoice, SchemeColor
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.text import CharacterProperties, Paragraph, ParagraphProperties, RegularTextRun

from reports.excel.writer import styles

_POINT = 12_700  # the format's unit of length in a point


class NamedLabel(DataLabel):
    """A point's label with a text of its own, which openpyxl's lacks."""

    tx = Typed(expected_type=Text, allow_none=True)

    # openpyxl does not inherit these lists. The order is that of the format, and Excel requires it.
    __nested__ = DataLabel.__nested__
    __elements__ = ("idx", "tx", *DataLabel.__elements__[1:])

    def __init__(self, idx: int, text: str, **options: Any) -> None:
        self.tx = Text(rich=rich_text(text, 8))
        super().__init__(idx=idx, **options)


def rich_text(text: str | None, size: int, *, bold: bool = False) -> RichText:
    """A text in the font of the workbook, or the font alone."""
    font = CharacterProperties(sz=size * 100, b=bold, solidFill=styles.INK)
    runs = [] if text is None else [RegularTextRun(rPr=font, t=text)]
    return RichText(p=[Paragraph(pPr=ParagraphProperties(defRPr=font), r=runs)])


def title(text: str, size: int, *, bold: bool = False) -> Title:
    """A title that does not overlap the plot."""
    return Title(tx=Text(rich=rich_text(text, size, bold=bold)), overlay=False)


def new_chart(name: str) -> ScatterChart:
    """An empty scatter chart."""
    chart = ScatterChart()
    chart.scatterStyle = "lineMarker"
    chart.varyColors = False
    chart.roundedCorners = False
    chart.title = title(name, 11, bold=True)
    chart.legend = Legend(legendPos="b", overlay=False, txPr=rich_text(None, 9))
    chart.x_axis.axPos = "b"
    chart.graphical_properties = GraphicalProperties(ln=LineProperties(solidFill=styles.RULE))
    return chart


def set_axis(axis: Any, name: str, low: float, high: float, number_format: str, *, is_log: bool = False) -> None:
    """Range, ticks and look of an axis; the other axis crosses it at its low end."""
    axis.delete = False  # openpyxl's own value hides the axis
    axis.title = title(name, 9)
    axis.scaling = Scaling(logBase=10 if is_log else None, orientation="minMax", min=low, max=high)
    axis.majorUnit = 10 if is_log else None
    axis.crosses = "min"
    axis.majorTickMark = "out"
    axis.numFmt = NumFmt(formatCode=number_format, sourceLinked=False)
    axis.tickLblPos = "low"
    axis.txPr = rich_text(None, 9)
    axis.graphicalProperties = GraphicalProperties(ln=LineProperties(solidFill=styles.RULE))
    axis.majorGridlines = ChartLines(spPr=GraphicalProperties(ln=LineProperties(solidFill=styles.GRID, w=_POINT // 2)))


def series(name: str, x: tuple[str, Sequence[object]], y: tuple[str, Sequence[object]]) -> XYSeries:
    """Points from two ranges of cells, with their values for programs that draw without calculating."""
    made = XYSeries()
    made.tx = SeriesLabel(v=name)
    made.xVal, made.yVal = AxDataSource(numRef=_cached_figures(*x)), NumDataSource(numRef=_cached_figures(*y))
    made.smooth = False
    return made


def _cached_figures(area: str, values: Sequence[object]) -> NumRef:
    points = [NumVal(idx=place, v=repr(value)) for place, value in enumerate(values) if value is not None]
    return NumRef(f=area, numCache=NumData(formatCode="General", ptCount=len(values), pt=points))


def show_as_cloud(points: XYSeries) -> None:
    """Points without a line, translucent so that a crowd shows as one."""
    points.graphicalProperties = GraphicalProperties(ln=LineProperties(noFill=True))
    # Of the colours openpyxl knows, those of the theme can be translucent.
    pale: Any = SchemeColor(val="accent1", lumMod=60_000, lumOff=40_000, alpha=70_000)
    points.marker = Marker(symbol="circle", size=4)
    points.marker.graphicalProperties = GraphicalProperties(ln=LineProperties(noFill=True), solidFill=ColorChoice(schemeClr=pale))


def show_as_line(points: XYSeries, colour: str) -> None:
    """Points joined by a line."""
    points.graphicalProperties = GraphicalProperties(ln=LineProperties(solidFill=colour, w=_POINT * 3 // 2))
    points.marker = Marker(symbol="circle", size=5)
    edge = LineProperties(solidFill=styles.WHITE, w=_POINT // 2)
    points.marker.graphicalProperties = GraphicalProperties(ln=edge, solidFill=colour)


def name_points(points: XYSeries, names: dict[int, str], beside: frozenset[int]) -> None:
    """Names above some of the points, by their position, or to the left of them."""
    shown = {"showVal": True, "showLegendKey": False, "showCatName": False, "showSerName": False, "showPercent": False}
    labels = [
        NamedLabel(place, name, dLblPos="l" if place in beside else "t", showBubbleSize=False, **shown)
        for place, name in names.items()
    ]
    points.dLbls = DataLabelList(dLbl=labels, showBubbleSize=False, **{**shown, "showVal": False})
