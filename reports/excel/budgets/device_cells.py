"""The choice of a device and a precision on the first sheet: every leaderboard shows their latencies, which can be limited.

latency_choice   the cell with the number of what is chosen; 0 for nothing
latency_codes    the texts of the models, in the hidden sheet *Latencies* (`device_codes.py`)

devices          name, first number, count of precisions, usual precision; `device_names` has the names alone
device_precisions    of each device, the precisions that latencies are known in
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.columns.column import Better, Column, ColumnKind
from reports.columns.format import figure_text, value_text
from reports.excel.budgets.device_codes import LENGTH, MARKS, NUMBER, encode
from reports.excel.writer.cells import address
from reports.excel.writer.sheet import Book
from reports.excel.writer.text import sheet_name
from reports.leaderboard.report import ORIGINS, DeviceLatencies, Report
from reports.selection.budget_answer import BudgetAnswer
from reports.selection.speeds.estimate_rounding import STEPS_PER_E
from reports.selection.uses import Use
from zoo.devices.kinds import GROUPS, group_title
from zoo.run_config import Precision, RunConfig

_SHEET = "computed in this workbook from the device chosen on the first sheet"
LATENCY = Column(
    "chosen_latency_ms", "Latency", "Time of one step of one image on the device and in the precision chosen on the first sheet; empty where it is not known.",
    _SHEET, ColumnKind.NUMBER, "ms", 1, 2, Better.LOW, "Speed", 11,
)  # fmt: skip
LATENCY_IS = Column(
    "chosen_latency_is", "Latency is", "measured, published, or estimated, with the ends between which nine in ten measured times lie.", _SHEET, group="Speed", width=32
)  # fmt: skip
PLACE = Column("latency_place", "Row in Latencies", "Row of the hidden sheet Latencies.", _SHEET, ColumnKind.INTEGER, shown=False)
COLUMNS = (LATENCY, LATENCY_IS, PLACE)

NO_DEVICE = "none"
CHOICE_NAME, _CODES = "latency_choice", "latency_codes"
DEVICE_NAMES, _DEVICES, _PRECISIONS = "device_names", "devices", "device_precisions"
_MODEL = ["zoo", "arch", "input", "classes", "variant"]
_PLAIN = (1, "nchw", False, None, None, None)  # batch, layout, compiled, threads, runtime, processor


@dataclass(frozen=True)
class DeviceCells:
    """The devices and precisions that can be chosen, in torch's default memory layout only."""

    devices: Mapping[str, Sequence[DeviceLatencies]]  # by name, grouped by kind
    places: npt.NDArray[np.int64]  # of each row of the leaderboard, the number of its model from 1
    sheet: str = ""

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Of each row of the leaderboard, whether its latency is known on any device."""
        known: npt.NDArray[np.bool_] = np.any([one.origin >= 0 for one in self.latencies], axis=0)
        return known

    @property
    def latencies(self) -> list[DeviceLatencies]:
        """In the order of their numbers, from 1."""
        return [one for choices in self.devices.values() for one in choices]

    @classmethod
    def of(cls, report: Report, taken: set[str]) -> DeviceCells | None:
        """Those of the report; None: no latency is known."""
        plain = [one for one in report.device_latencies if one.run.layout == RunConfig().layout]
        if not plain:
            return None
        groups = list(GROUPS)
        plain.sort(key=lambda one: (groups.index(group_title(one.device.kind)), one.device.name))
        devices: dict[str, list[DeviceLatencies]] = {}
        for one in plain:
            devices.setdefault(one.device.name, []).append(one)
        table = report.leaderboard
        places = table.groupby(_MODEL, sort=False, dropna=False).ngroup().to_numpy().astype(np.int64) + 1
        return cls(devices, places, sheet_name("Latencies", taken))

    def of_use(self, use: Use) -> DeviceLatencies | None:
        """The choice of a use's device and precision."""
        return next((one for one in self.latencies if (one.device.id, one.run.precision) == (use.device, use.precision)), None)

    def of_budget(self, answer: BudgetAnswer) -> DeviceLatencies | None:
        """The choice of a budget's device and dtype; None where the budget has other conditions, such as a batch."""
        budget = answer.budget
        run = budget.run()
        conditions = (run.batch, run.layout, run.compiled, run.threads, run.runtime, run.processor)
        if answer.device is None or conditions != _PLAIN:
            return None
        choices = self.devices.get(answer.device.name, ())
        return next((one for one in choices if one.stands_for(budget.dtype)), None)

    def add_columns(self, leaderboard: pd.DataFrame, chosen: DeviceLatencies | None) -> pd.DataFrame:
        """The leaderboard with these columns, as they are for the first choice."""
        latency: list[float | None] = [None] * len(leaderboard)
        texts: list[str | None] = [None] * len(leaderboard)
        if chosen is not None:
            latency = [None if np.isnan(value) else float(value) for value in chosen.latency_ms]
            texts = [_describe_origin(*one) for one in zip(chosen.origin, chosen.low_ms, chosen.high_ms, strict=True)]
        columns = {
            LATENCY.key: pd.Series(latency, leaderboard.index, dtype="Float64"),
            LATENCY_IS.key: pd.Series(texts, leaderboard.index, dtype="string"),
            PLACE.key: pd.Series(self.places, leaderboard.index, dtype="Int64"),
        }
        return leaderboard.assign(**columns)

    def write(self, book: Book) -> None:
        """Write the hidden sheet."""
        page = book.add_sheet(self.sheet, "", is_hidden=True)
        texts = encode(self.latencies, np.unique(self.places, return_index=True)[1])
        book.define(_CODES, self.sheet, f"$A$2:$A${1 + len(texts)}")
        for row, text in enumerate([f"{LENGTH} characters for each device and precision", *texts]):
            page.put(row, 0, text)
        lines: list[Sequence[object]] = [
            ("Device", "First number", "Precisions", "Usual precision", "Each precision"),
            (NO_DEVICE,),
        ]
        number = 1
        for name, choices in self.devices.items():
            lines.append((name, number, len(choices), _usual_choice(choices).title, *(one.title for one in choices)))
            number += len(choices)
        for row, values in enumerate(lines):
            for column, value in enumerate(values, start=1):
                page.put(row, column, value)
        last, most = len(lines), max(map(len, self.devices.values()))
        book.define(DEVICE_NAMES, self.sheet, f"$B$2:$B${last}")
        book.define(_DEVICES, self.sheet, f"$B$2:$E${last}")
        book.define(_PRECISIONS, self.sheet, f"$F$2:{address(last - 1, 4 + most, absolute='both')}")

    def number_of(self, chosen: DeviceLatencies | None) -> int:
        """The number of a choice."""
        return 0 if chosen is None else 1 + next(place for place, one in enumerate(self.latencies) if one is chosen)


def _device_row(device: str) -> str:
    return f"MATCH({device},{DEVICE_NAMES},0)"


def precision_list(device: str) -> str:
    """The formula of the range of precisions to choose from on the device in a cell."""
    row = _device_row(device)
    return f"OFFSET(INDEX({_PRECISIONS},{row},1),0,0,1,MAX(1,INDEX({_DEVICES},{row},3)))"


def usual_precision(device: str) -> str:
    """The formula of the default precision of the device in a cell."""
    return f'IFERROR(INDEX({_DEVICES},{_device_row(device)},4)&"","")'


def device_number(device: str, precision: str) -> str:
    """The formula of the number of the device and precision in two cells; 0 for none."""
    row = _device_row(device)
    return f"IFERROR(INDEX({_DEVICES},{row},2)+MATCH({precision},INDEX({_PRECISIONS},{row},0),0)-1,0)"


def _usual_choice(choices: Sequence[DeviceLatencies]) -> DeviceLatencies:
    """float16 where the device allows it: half the time and memory of float32 at the same accuracy."""
    return next((one for one in choices if one.run.precision is Precision.FP16), choices[0])


def formulas(table: str) -> dict[str, str]:
    """Latency and its origin as formulas of a leaderboard's row."""
    place, latency = (f"{table}[[#This Row],[{column.header}]]" for column in (PLACE, LATENCY))
    codes = f"INDEX({_CODES},{place})"
    number = f"MID({codes},{LENGTH}*{CHOICE_NAME}-{LENGTH - 1},{NUMBER})"
    mark = f"MID({codes},{LENGTH}*{CHOICE_NAME}-{LENGTH - NUMBER - 1},{LENGTH - NUMBER})"
    factor = f"EXP(HEX2DEC({mark})/{STEPS_PER_E})"
    estimated = f'"estimated, "&{latency_text(f"{latency}/{factor}")}&" to "&{latency_text(f"({latency}*{factor})")}&" ms"'
    words = estimated
    for name, letters in MARKS.items():
        words = f'IF({mark}="{letters}","{name}",{words})'
    return {LATENCY.key: f'IF({CHOICE_NAME}=0,"",IFERROR(VALUE({number}),""))', LATENCY_IS.key: f'IF({latency}="","",{words})'}


def latency_text(milliseconds: str) -> str:
    """The formula of a text with three significant digits, as `reports.columns.format` has them: 9.996 is rounded to 10.0."""
    return f"FIXED({milliseconds},MAX(0,MIN(6,1-INT(LOG10({milliseconds}/9.995)))))"


def _describe_origin(origin: int, low_ms: float, high_ms: float) -> str | None:
    if origin < 0:
        return None
    ends = f", {figure_text(LATENCY, low_ms)} to {value_text(LATENCY, high_ms)}" if ORIGINS[origin] == "estimated" else ""
    return f"{ORIGINS[origin]}{ends}"
