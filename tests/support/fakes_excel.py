"""Synthetic reports for the tests of workbooks and exports, plausible and reproducible, and how workbooks are read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from openpyxl.worksheet.worksheet import Worksheet

from reports import excel
from reports.columns.column import Column, ColumnKind
from reports.columns.frontier import frontier
from reports.columns.leaderboard_columns import COVERAGE, LEADERBOARD, UNMATCHED
from reports.columns.section_columns import AUDIT, CHANGES
from reports.config.budget_section import BudgetSection
from reports.leaderboard.report import AuditReport, ChangeReport, DataSource, Report, ReportTotals
from reports.selection.budget_answer import answer_budget

DTYPES = {
    ColumnKind.TEXT: "string",
    ColumnKind.LINK: "string",
    ColumnKind.INTEGER: "Int64",
    ColumnKind.NUMBER: "Float64",
    ColumnKind.FLAG: "boolean",
}
Convert = Callable[[str, Path, list[Path]], None]
"""Converts files to a format into a folder: the fixture `convert`."""

HOSTILE = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    '=HYPERLINK("http://evil.example","x")',
    "a\x00b\x1fc\ufffe_x0041_",
    "x" * 40_000,
)
BUDGETS: dict[str, BudgetSection] = {
    "phone": BudgetSection.model_validate({"params": "30M", "macs": "5G"}),
    "far*out": BudgetSection.model_validate(
        {"macs": "1G", "accuracy": "70%", "memory": "900MB", "license": ["apache-2.0", "mit"]}
    ),
    "nothing": BudgetSection.model_validate({"params": "1k"}),
}
"""The first has what the workbook starts with where no budget is configured; the second has limits that no cell of it holds."""
_FAMILIES = ("resnet", "convnext", "vision_transformer", "efficientnet", "mobilenetv3", "swin_transformer", "regnet", "fastvit")
_LICENSES = ("apache-2.0", "mit", "cc-by-nc-4.0", None)
_SIZES = (160, 192, 224, 240, 256, 288, 320, 384, 448, 512)


def as_table(columns: tuple[Column, ...], values: dict[str, Any], rows: int) -> pd.DataFrame:
    """A table in the report's types, unknown where `values` has no such column."""
    return pd.DataFrame({c.key: pd.Series(list(values.get(c.key, [None] * rows)), dtype=DTYPES[c.kind]) for c in columns})


def leaderboard(rows: int, *, seed: int = 0, accuracy: bool = True, task: str = "classification") -> pd.DataFrame:
    """Weights of architectures at several sizes; accuracy grows with the logarithm of the work, with scatter."""
    random = np.random.default_rng(seed)
    archs = max(1, rows // 3)
    arch = np.sort(random.integers(0, archs, rows))
    base = 10 ** random.uniform(7.3, 10.6, archs)  # MACs at 224
    size = np.array(_SIZES)[random.integers(0, len(_SIZES), rows)]
    macs = (base[arch] * (size / 224) ** 2).astype(np.int64)
    params = (base[arch] ** 0.7 * 10 ** random.uniform(0.2, 0.5, archs)[arch]).astype(np.int64)
    top1 = np.clip(52 + 9.5 * np.log10(macs / 2e7) + random.normal(0, 2.2, rows), 20, 91).round(3)
    family = [_FAMILIES[i % len(_FAMILIES)] for i in arch]
    names = [f"{family[k]}_{('small', 'base', 'large', 'tiny', 'nano')[i % 5]}_{i:04d}" for k, i in enumerate(arch)]
    zoo = ["torchvision" if i % 17 == 0 else "timm" for i in arch]
    tag = [f"{('a1', 'a2', 'sw', 'ra3', 'fb')[k % 5]}_in1k_r{size[k]}_v{k}" for k in range(rows)]
    bound = random.random(rows) < 0.01
    values: dict[str, Any] = {
        "model": [f"{z}/{a}.{t}" for z, a, t in zip(zoo, names, tag, strict=True)],
        "zoo": zoo, "arch": names, "tag": tag, "family": family, "task": [task] * rows, "input": [f"3x{s}x{s}" for s in size],
        "classes": [1000] * rows, "variant": ["base"] * rows,
        "params": params, "macs": macs, "flops": 2 * macs, "activations": (macs ** 0.74).astype(np.int64),
        "peak_activation_bytes": (macs ** 0.73).astype(np.int64) * 4, "weight_bytes": 4 * params + 1024,
        "file_bytes": [None if k % 3 else int(4 * params[k] + 50_000) for k in range(rows)],
        "operations": 60 + arch % 300,
        "status": np.where(bound, "bound", "exact"), "reason": [("assumed 1000 proposals" if b else None) for b in bound],
        "license": [_LICENSES[i % 4] for i in arch], "dataset": ["imagenet-1k"] * rows,
        "source": [f"https://example.org/models/{a}.{t}" for a, t in zip(names, tag, strict=True)],
    }  # fmt: skip
    if accuracy:
        known = random.random(rows) < 0.95
        values["imagenet_top1"] = [float(v) if k else None for v, k in zip(top1, known, strict=True)]
        values["imagenet_top5"] = [round(100 - (100 - v) / 3.7, 3) if v is not None else None for v in values["imagenet_top1"]]
        values["imagenet_v2_top1"] = [
            round(v - 11.3, 3) if v is not None and k % 4 else None for k, v in enumerate(values["imagenet_top1"])
        ]
    table = as_table(LEADERBOARD, values, rows)
    table["on_frontier"] = frontier(table, "macs", "imagenet_top1").astype("boolean")
    return table


def make_report(rows: int = 60, **changes: Any) -> Report:
    """A report as a default run would give, in small. `changes` are fields of the report, or `accuracy=False`."""
    table = changes.pop("leaderboard", None)
    table = leaderboard(rows, accuracy=changes.pop("accuracy", True)) if table is None else table
    coverage = as_table(COVERAGE, {
        "zoo": ["torchvision", "torchvision", "timm"], "arch": ["maskrcnn_resnet50_fpn", "raft_large", "vit_odd_patch13"],
        "task": ["detection", "optical-flow", "classification"], "input": ["3x800x800", "3x520x960", "3x224x224"],
        "classes": [91, 0, 1000], "variant": ["base"] * 3, "status": ["bound", "failed", "failed"],
        "reason": ["1000 proposals a picture assumed", "run: InputError: needs two pictures", "build: ValueError: 224 is no multiple of 13"],
    }, 3)  # fmt: skip
    unmatched = as_table(UNMATCHED, {
        "source": ["results-imagenet.csv"] * 2, "name": ["vanished_model.a1_in1k", "renamed_model"], "input": ["3x224x224", "3x288x288"],
        "reason": ["no architecture of this name in timm 1.0.31", "no architecture of this name in timm 1.0.31"],
    }, 2)  # fmt: skip
    report = Report(
        title="Vision model leaderboard",
        created_at=datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC),
        convention="matmul",
        versions={"timm": "1.0.31", "torch": "2.14.1", "torchvision": "0.29.1", "zoometer": "0.1.0"},
        totals=ReportTotals(table["arch"].nunique(), table["model"].nunique(), len(table), int((table["status"] == "exact").sum()), int((table["status"] == "bound").sum()), 2),
        leaderboard=table,
        coverage=coverage,
        unmatched=unmatched,
        warnings=("2 published results belong to no installed model; see the sheet Unmatched.",),
        sources=(DataSource("timm results", "https://example.org/results-imagenet.csv", "2026-03-14T12:00:00Z", "top-1 and top-5"), DataSource("own table", "results/mine.csv", "2026-03-13T12:00:00Z")),
        command="zoometer run configs/default.yaml",
        notes=("googlenet: the zoo states its parameters with the auxiliary heads, which inference does not use.",),
        changes=changed(), audits=(audited(),),
    )  # fmt: skip
    return dataclasses.replace(report, **changes)


def with_budgets(report: Report, budgets: dict[str, BudgetSection] = BUDGETS) -> Report:
    """The report with an answer to each of these budgets."""
    return dataclasses.replace(
        report, budgets=tuple(answer_budget(report.leaderboard, budget, name=name) for name, budget in budgets.items())
    )


def changed(
    reasons: tuple[str, ...] = ("timm 1.0.30 → 1.0.31", "build: ValueError: 224 is no multiple of 13", "torch 2.13 → 2.14"),
) -> ChangeReport:
    """What a run changed: a figure, a failure, an addition."""
    rows = as_table(CHANGES, {
        "kind": ["changed", "failed", "added"], "zoo": ["timm", "timm", "torchvision"], "arch": ["net_a", "net_b", "net_c"],
        "input": ["3x224x224", "3x256x256", "3x288x288"], "classes": [1000, 21, None], "variant": ["base", "deploy", "features"],
        "batch": [1, 2, 3], "figure": ["macs", None, None], "old": [4_000_000_017, None, None], "new": [5_000_000_019, None, None],
        "change": [25.0, None, None], "old_status": ["exact", "bound", None], "new_status": ["bound", "failed", "exact"],
        "cause": list(reasons),
    }, 3)  # fmt: skip
    return ChangeReport("Changes from run a to run b", {"added": 1, "changed": 1, "failed": 1, "unchanged": 97}, rows)


def audited(names: tuple[str, ...] = ("net_a.in1k", "net_b", "net_c")) -> AuditReport:
    """A published table with a row of each verdict but one."""
    rows = as_table(AUDIT, {
        "line": [2, 3, 4], "model": list(names), "zoo": ["timm"] * 3, "arch": ["net_a", "net_b", "net_c"],
        "input": ["3x224x224", "3x256x256", "3x288x288"], "verdict": ["agrees", "explained", "unexplained"],
        "published_params": [25.56e6, 11.7e6, 1.2e6], "counted_params": [25_557_032, 11_689_512, 1_000_001],
        "published_macs": [4.09e9, 1.8e9, 0.31e9], "counted_macs": [4_089_184_256, 1_814_073_344, 300_774_272],
        "published_activations": [11.1e6, 2.5e6, 5.6e6], "counted_activations": [11_113_984, 2_483_712, 5_600_003],
        "why": [None, "attention is not counted", "nearest: without a classifier (+3.0%)"],
    }, 3)  # fmt: skip
    verdicts = {"agrees": 1, "explained": 1, "unexplained": 1}
    return AuditReport(
        "table.csv", "timm", "convention matmul (2 of 3 rows agree)", verdicts, (("attention is not counted", 1),), rows
    )


def distinct_report(rows: int = 5) -> Report:
    """Every figure of every column differs from every other, so that a swapped column cannot hide."""
    values: dict[str, Any] = {}
    for place, column in enumerate(LEADERBOARD, start=1):
        # Magnitudes are kept apart from each other and inside what each kind of column can hold.
        kinds: dict[ColumnKind, list[Any]] = {
            ColumnKind.TEXT: [f"{column.key} text {row}" for row in range(rows)],
            ColumnKind.LINK: [f"https://example.org/{column.key}/{row}" for row in range(rows)],
            ColumnKind.INTEGER: [10**10 + place * 10**8 + row * 10**6 + 17 for row in range(rows)],
            ColumnKind.NUMBER: [round(50 + place + row / 10 + 0.003, 3) for row in range(rows)],
            ColumnKind.FLAG: [row % 2 == 0 for row in range(rows)],
        }
        values[column.key] = kinds[column.kind]
    values["task"] = ["classification"] * rows
    values["imagenet_top1"] = sorted(values["imagenet_top1"], reverse=True)  # as ranked, so that rows keep their order
    return make_report(leaderboard=as_table(LEADERBOARD, values, rows))


def hostile_report() -> Report:
    """Text that wants to be a formula, a control sequence or too long for a cell, wherever text can come from outside."""
    table = leaderboard(len(HOSTILE))
    for key in ("model", "arch", "tag", "family", "reason", "license", "dataset"):
        table[key] = pd.array([f"{text}{key}" if text[0] != "x" else text for text in HOSTILE], dtype="string")
    table["source"] = pd.array((["javascript:alert(1)", "file:///etc/passwd", "=cmd|' /C calc'!A0", "https://ok.example/" + "y" * 3000, "http://ok.example/a b", "internal:Summary!A1", "external:c:\\x.xlsx", "https://ok.example/1", None]), dtype="string")  # fmt: skip
    report = make_report(leaderboard=table)
    coverage, unmatched = report.coverage.copy(), report.unmatched.copy()
    coverage["reason"] = pd.array(HOSTILE[:3], dtype="string")
    unmatched["name"] = pd.array(HOSTILE[5:7], dtype="string")
    budgets = {"=1+1": BUDGETS["phone"], "@SUM(A1)": BUDGETS["far*out"], "-x": BUDGETS["nothing"]}
    return dataclasses.replace(
        with_budgets(report, budgets), changes=dataclasses.replace(changed(HOSTILE[:3]), heading="=5+5"),
        audits=(dataclasses.replace(audited(HOSTILE[4:7]), title="=6+6", counts_as="=7+7"),), title="=1+1 & co", coverage=coverage, unmatched=unmatched, warnings=("=2+2", "half a pair \ud800"), notes=("@SUM(1)",), command="-x",
        sources=(DataSource("=3+3", "javascript:alert(1)", "+1", "=4+4"),), versions={"=k": "=v"},
    )  # fmt: skip


def write(report: Report, folder: Path) -> Path:
    """Write the report as a workbook; its path is returned."""
    path = folder / "leaderboard.xlsx"
    excel.write(report, path)
    return path


def read(path: Path, name: str, *, above: int = 0) -> pd.DataFrame:
    """A table under so many rows, an empty cell as unknown."""
    return pd.read_excel(path, sheet_name=name, keep_default_na=False, na_values=[""], header=above)


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame, columns: tuple[Column, ...]) -> None:
    """Every value of every column under its heading, an unknown one as an empty cell."""
    for column in columns:
        values = [None if pd.isna(value) else value for value in found[column.header]]
        expected = [None if pd.isna(value) else value for value in wanted[column.key]]
        assert values == expected, column.key


def column_cells(page: Worksheet, header: str) -> list[Any]:
    place = next(cell.column for cell in page[1] if cell.value == header)
    return [page.cell(row, place) for row in range(2, page.max_row + 1)]
