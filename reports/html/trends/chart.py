"""A step chart as SVG: each run has a value, which is drawn up to the next run.

Its colours are names of the page's style sheet, and follow the theme; a chart needs no script.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

SERIES_COLOURS = 8
"""`--series-1` to `--series-8` of the page's style sheet; then the colours begin anew."""

_BOTTOM, _INSET, _LABEL_GAP, _LETTER = 30, 10, 14, 7
_MOST_TICKS, _LONGEST_NAME = 6, 16


@dataclass(frozen=True)
class Line:
    """One line; a missing value is a gap."""

    title: str
    values: tuple[float | None, ...]
    names: tuple[str, ...]  # of the model behind each value
    texts: tuple[str, ...]  # each value with its unit
    dash: str = ""  # lengths of strokes and gaps, so that lines on top of each other can be told apart


@dataclass(frozen=True)
class Stop:
    """One place on the horizontal axis."""

    label: tuple[str, ...]  # lines of text
    mark: str = ""  # what begins here, such as a release


@dataclass(frozen=True)
class Frame:
    """The size of a chart in pixels and the room of its axes."""

    width: int
    height: int
    left: int
    right: int
    top: int

    @property
    def bottom(self) -> int:
        """Position of the horizontal axis."""
        return self.height - _BOTTOM


WIDE = Frame(1080, 380, 46, 190, 26)
NARROW = Frame(360, 300, 36, 12, 24)


def draw(lines: Sequence[Line], stops: Sequence[Stop], title: str, frame: Frame) -> Markup:
    """The chart; on a wide one, each line is named at its end."""
    values = [value for line in lines for value in line.values if value is not None] or [0.0]
    ticks = nice_ticks(min(values), max(values))
    parts = [*_draw_axes(ticks, frame), *_draw_stops(stops, frame)]
    for number, line in enumerate(lines):
        parts.append(
            Markup('<g stroke="{}">{}</g>').format(_series_colour(number), Markup("").join(_draw_line(line, ticks, frame)))
        )
    height = frame.height + _LABEL_GAP * (max(len(stop.label) for stop in stops) - 1)
    if frame is WIDE:
        parts += _draw_line_names(lines, ticks, frame)
    kind = "wide" if frame is WIDE else "narrow"
    return Markup('<svg class="trend {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, frame.width, height, title, Markup("").join(parts)
    )


def swatch(number: int, dash: str) -> Markup:
    """A short piece of a line, for a legend."""
    look = Markup('class="line" stroke="{}"{}').format(_series_colour(number), _dash_attribute(dash))
    return Markup('<svg class="swatch" viewBox="0 0 26 8" aria-hidden="true"><path {} d="M1 4H25"/></svg>').format(look)


def nice_ticks(low: float, high: float) -> list[float]:
    """Round values from below the lowest to above the highest one."""
    span = max(high - low, abs(high) * 0.01, 0.01)
    raw = span / (_MOST_TICKS - 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _series_colour(number: int) -> str:
    return f"var(--series-{number % SERIES_COLOURS + 1})"


def _dash_attribute(dash: str) -> Markup:
    return Markup(' stroke-dasharray="{}"').format(dash) if dash else Markup("")


def _x(place: int, stops: int, frame: Frame) -> float:
    """Left end of a stop; the last one extends to the right edge."""
    return round(frame.left + _INSET + place * (frame.width - frame.left - frame.right - _INSET) / stops, 1)


def _y(value: float, ticks: Sequence[float], frame: Frame) -> float:
    share = (value - ticks[0]) / (ticks[-1] - ticks[0])
    return round(frame.bottom - share * (frame.bottom - frame.top), 1)


def _draw_axes(ticks: Sequence[float], frame: Frame) -> Iterator[Markup]:
    digits = max(len(f"{tick:g}".partition(".")[2]) for tick in ticks)
    for tick in ticks:
        y = _y(tick, ticks, frame)
        yield Markup('<path class="grid" d="M{} {}H{}"/>').format(frame.left, y, frame.width - frame.right)
        yield Markup('<text x="{}" y="{}" class="end">{}</text>').format(frame.left - 6, y + 4, f"{tick:.{digits}f}")


def _draw_stops(stops: Sequence[Stop], frame: Frame) -> Iterator[Markup]:
    longest = max(len(text) for stop in stops for text in stop.label)
    every = math.ceil((longest * _LETTER + 18) * len(stops) / (frame.width - frame.left - frame.right))
    last_end = -math.inf
    for place, stop in enumerate(stops):
        x = _x(place, len(stops), frame)
        if (len(stops) - 1 - place) % every == 0:  # the last one always has its label
            yield from _draw_label(x, stop.label, frame)
        if stop.mark:
            yield Markup('<path class="mark" d="M{} {}V{}"/>').format(x, frame.top - 4, frame.bottom)
            length = _LETTER * len(stop.mark)
            start = min(x + 4, frame.width - length)
            if start > last_end:
                yield Markup('<text x="{}" y="{}" class="mark-text">{}</text>').format(round(start, 1), frame.top - 8, stop.mark)
                last_end = start + length + 6


def _draw_label(x: float, label: Sequence[str], frame: Frame) -> Iterator[Markup]:
    """A label under the axis, centred on its stop and inside the chart."""
    half = _LETTER * max(map(len, label)) / 2
    middle = round(min(max(x, half), frame.width - half), 1)
    for number, text in enumerate(label):
        y = frame.bottom + 18 + number * _LABEL_GAP
        yield Markup('<text x="{}" y="{}" class="middle">{}</text>').format(middle, y, text)


def _draw_line(line: Line, ticks: Sequence[float], frame: Frame) -> Iterator[Markup]:
    """The steps, and a dot at each new model; on a wide chart its tooltip has the name."""
    places = len(line.values)
    path, before = "", None
    for place, value in enumerate((*line.values, None)):
        x = _x(place, places, frame)
        if value is None:
            path += "" if before is None else f"H{x}"
        elif value != before:
            y = _y(value, ticks, frame)
            path += f"M{x} {y}" if before is None else f"H{x}V{y}"
        before = value
    yield Markup('<path class="line"{} d="{}"/>').format(_dash_attribute(line.dash), path)
    for place, value in enumerate(line.values):
        if value is not None and (place == 0 or line.names[place] != line.names[place - 1]):
            description = f"{line.title}: {line.names[place]}, {line.texts[place]}"
            name = Markup("<title>{}</title>").format(description) if frame is WIDE else ""
            at = (_x(place, places, frame), _y(value, ticks, frame))
            yield Markup('<circle class="dot" cx="{}" cy="{}" r="4">{}</circle>').format(*at, name)


def _draw_line_names(lines: Sequence[Line], ticks: Sequence[float], frame: Frame) -> Iterator[Markup]:
    """The name and the last value of each line, moved apart where lines end close together."""
    ends = sorted((_y(line.values[-1], ticks, frame), number) for number, line in enumerate(lines) if line.values[-1] is not None)
    x = frame.width - frame.right
    for (y, number), place in zip(ends, _move_apart([y for y, _ in ends], frame), strict=True):
        yield Markup('<path class="leader" stroke="{}" d="M{} {}L{} {}"/>').format(
            _series_colour(number), x + 2, y, x + 16, place
        )
        text = f"{_shorten(lines[number].title)}  {lines[number].texts[-1]}"
        yield Markup('<text x="{}" y="{}">{}</text>').format(x + 20, place + 4, text)


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def _move_apart(places: Sequence[float], frame: Frame) -> list[float]:
    """Positions at least a line of text apart, moved down in a first pass and up into the frame in a second one."""
    moved = list(places)
    for number, (above, _) in enumerate(pairwise(places), start=1):
        moved[number] = max(moved[number], max(above, moved[number - 1]) + _LABEL_GAP)
    limit = float(frame.bottom)
    for number in reversed(range(len(moved))):
        moved[number] = min(moved[number], limit)
        limit = moved[number] - _LABEL_GAP
    return moved
