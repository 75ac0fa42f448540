"""Reports with made-up figures, for the page's tests and benchmark: the shape and spread of real zoos, none of their numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from reports.columns.column import Column, ColumnKind
from reports.columns.frontier import frontier
from reports.columns.leaderboard_columns import COVERAGE, LEADERBOARD, UNMATCHED
from reports.leaderboard.report import BREAKDOWN, DataSource, Report, ReportTotals, empty_breakdown

_DTYPES = {
    ColumnKind.INTEGER: "Int64",
    ColumnKind.NUMBER: "Float64",
    ColumnKind.FLAG: "boolean",
    ColumnKind.TEXT: "string",
    ColumnKind.LINK: "string",
}

# Architecture families of different age and efficiency: (name, module, accuracy offset, GMACs of the smallest and largest).
_FAMILIES = (
    ("resnet", "resnet", 0.0, 0.5, 30), ("resnext", "resnet", 0.6, 2, 40), ("convnext", "convnext", 3.0, 0.3, 350),
    ("vit", "vision_transformer", 2.6, 0.4, 400), ("deit", "deit", 2.2, 1, 55), ("swin", "swin_transformer", 2.8, 2, 105),
    ("efficientnet", "efficientnet", 2.4, 0.2, 95), ("mobilenetv3", "mobilenetv3", 1.2, 0.02, 2), ("mobilenetv4", "mobilenetv4", 2.7, 0.1, 14),
    ("regnety", "regnet", 1.4, 0.2, 130), ("densenet", "densenet", -1.0, 2, 9), ("vgg", "vgg", -4.5, 7, 20), ("ghostnet", "ghostnet", 1.0, 0.04, 1),
    ("repvit", "repvit", 2.6, 0.8, 7), ("edgenext", "edgenext", 2.0, 0.2, 4), ("levit", "levit", 2.0, 0.2, 3), ("xcit", "xcit", 2.0, 0.5, 140),
    ("maxvit", "maxxvit", 3.2, 2, 380), ("beit", "beit", 3.2, 17, 280), ("eva02", "eva", 3.9, 1, 360), ("cait", "cait", 2.2, 3, 330),
    ("nfnet", "nfnet", 2.4, 6, 210), ("hrnet", "hrnet", 0.2, 2, 30), ("fastvit", "fastvit", 2.8, 0.6, 7), ("mobileone", "byobnet", 1.0, 0.2, 5),
    ("efficientvit", "efficientvit_mit", 2.9, 0.1, 20), ("tresnet", "tresnet", 1.3, 5, 30), ("pvt_v2", "pvt_v2", 2.0, 0.5, 12),
    ("poolformer", "metaformer", 1.6, 1, 12), ("rexnet", "rexnet", 1.8, 0.3, 4), ("inception", "inception_v4", 0.4, 5, 14), ("dla", "dla", -0.6, 0.6, 12),
)  # fmt: skip
_SCALES = ("atto", "nano", "tiny", "small", "base", "large", "xlarge", "huge")
_TAGS = ("a1_in1k", "in1k", "fb_in22k_ft_in1k", "sw_in12k_ft_in1k", "ra2_in1k", "dist_in1k", "clip_laion2b_ft_in1k")
_INPUTS = (224, 224, 256, 288, 384)
_LICENSES = ("apache-2.0", "mit", "cc-by-nc-4.0", None)


def frame_like(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> pd.DataFrame:
    """A table with exactly the declared columns and their types; what a row does not name is unknown."""
    keys = [column.key for column in columns]
    table = pd.DataFrame([[row.get(key) for key in keys] for row in rows], columns=keys, dtype=object)
    return table.astype({column.key: _DTYPES[column.kind] for column in columns})


def row_like(
    arch: str = "resnet50", tag: str | None = "a1_in1k", side: int = 224, *, zoo: str = "timm", **values: Any
) -> dict[str, Any]:
    """One row of the leaderboard. Figures that are not given are unknown."""
    model = f"{zoo}/{arch}.{tag}" if tag else f"{zoo}/{arch}"
    base = {
        "model": model,
        "zoo": zoo,
        "arch": arch,
        "tag": tag,
        "task": "classification",
        "input": f"3x{side}x{side}",
        "variant": "base",
    }
    return base | {"status": "exact"} | values


def report_like(
    rows: list[dict[str, Any]],
    *,
    title: str = "Vision model zoo",
    warnings: tuple[str, ...] = (),
    coverage: list[dict[str, Any]] | None = None,
    unmatched: list[dict[str, Any]] | None = None,
    breakdown: pd.DataFrame | None = None,
) -> Report:
    """A report around these rows."""
    statuses = [row.get("status") for row in rows]
    totals = ReportTotals(
        architectures=len({(row["zoo"], row["arch"]) for row in rows}),
        weights=len({row["model"] for row in rows}),
        rows=len(rows),
        exact=statuses.count("exact"),
        bound=statuses.count("bound"),
        failed=statuses.count("failed"),
    )
    return Report(
        title=title,
        created_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        convention="matmul",
        versions={"zoometer": "0.1.0", "torch": "2.14.1", "timm": "1.0.31", "torchvision": "0.29.1"},
        totals=totals,
        leaderboard=leaderboard_like(rows),
        coverage=frame_like(coverage or [], COVERAGE),
        unmatched=frame_like(unmatched or [], UNMATCHED),
        warnings=warnings,
        sources=(
            DataSource(
                "timm results on ImageNet-1k",
                "https://github.com/huggingface/pytorch-image-models/tree/main/results",
                "2026-11-20",
            ),
            DataSource("torchvision weights' metadata", "torchvision 0.29.1", "2026-11-22", "read from the installed package"),
        ),
        command="zoometer run configs/default.yaml",
        notes=("torchvision/googlenet is counted without its auxiliary heads.",),
        breakdown=empty_breakdown() if breakdown is None else breakdown,
    )


Parts = dict[str, tuple[int, int]]
"""MACs and bytes moved by name of a part."""


def breakdown_like(arch: str, *, zoo: str = "timm", side: int = 224, **parts: Parts) -> pd.DataFrame:
    """Where an architecture spends its cost, by `operation` and by `stage`."""
    return pd.DataFrame(_breakdown_rows(arch, zoo, side, parts), columns=BREAKDOWN)


def _breakdown_rows(arch: str, zoo: str, side: int, parts: dict[str, Parts]) -> list[tuple[Any, ...]]:
    head = (zoo, arch, f"3x{side}x{side}", 1000, "base")
    return [(*head, by, part, *figures) for by, named in parts.items() for part, figures in named.items()]


def leaderboard_like(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The leaderboard of these rows, with the frontier of each task."""
    table = frame_like(rows, LEADERBOARD)
    for _, group in table.groupby("task"):
        table.loc[group.index, "on_frontier"] = frontier(group, cost="macs", quality="imagenet_top1")
    return table


def zoo_like(count: int, *, seed: int = 7, accuracy: bool = True) -> Report:
    """A report of about the size and spread of timm with torchvision: `count` rows, two thirds with an accuracy."""
    source = random.Random(seed)
    rows: list[dict[str, Any]] = []
    while len(rows) < count - 1:
        rows.extend(_architecture_rows(source, len(rows), accuracy=accuracy))
    failed = row_like("funny_net", None, status="failed", reason="build: ValueError: unknown block 'x'", family="funny")
    rows = [*rows[: count - 1], failed]
    lost = {"source": "results-imagenet.csv", "input": "3x224x224", "reason": "timm 1.0.31 has no such architecture"}
    missing = "timm's accuracy is missing: no network. Set accuracy.timm.results to a folder with its tables."
    return report_like(
        rows,
        coverage=[failed, *(row for row in rows if row["status"] == "bound")],
        unmatched=[lost | {"name": f"oldnet_{n}.in1k"} for n in range(9)],
        warnings=() if accuracy else (missing,),
        breakdown=_breakdowns(rows),
    )


def _breakdowns(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """As many parts for each architecture as real ones have on average: 7 classes of operations and 8 stages."""
    found: list[tuple[Any, ...]] = []
    for row in {row["arch"]: row for row in rows if row.get("macs")}.values():
        macs = row["macs"]
        operations = {
            name: (macs // (7 - n), 10**6 * n) for n, name in enumerate("conv linear norm pool copy elementwise reduce".split())
        }
        stages = {f"stages.{n}": (macs // 8, macs // (90 + n)) for n in range(8)}
        found += _breakdown_rows(row["arch"], row["zoo"], 224, {"operation": operations, "stage": stages})
    return pd.DataFrame(found, columns=BREAKDOWN)


def _architecture_rows(source: random.Random, number: int, *, accuracy: bool) -> Iterator[dict[str, Any]]:
    """One architecture's weights at their inputs. Larger networks are more accurate, newer families more so."""
    family, module, offset, low, high = source.choice(_FAMILIES)
    share = source.random()
    arch = f"{family}_{_SCALES[int(share * 8)]}_{number}" if source.random() < 0.5 else f"{family}{10 + number}"
    macs = low * (high / low) ** share * math.exp(source.gauss(0, 0.12)) * 1e9
    params = int(macs**0.82 * math.exp(source.gauss(0, 0.35)) * 0.37)
    zoo = "torchvision" if source.random() < 0.07 else "timm"
    task = "features" if source.random() < 0.12 else "classification"
    is_bound = source.random() < 0.02
    for tag in source.sample(_TAGS, source.randint(1, 2)) if source.random() < 0.85 else [None]:
        license_name = source.choice(_LICENSES)
        for side in sorted(set(source.choices(_INPUTS, k=source.randint(1, 3)))):
            costs = _costs(macs * (side / 224) ** 2, params)
            known = accuracy and tag and task == "classification" and source.random() < 0.85
            yield row_like(
                arch,
                tag,
                side,
                zoo=zoo,
                family=module,
                task=task,
                classes=1000 if task == "classification" else 0,
                status="bound" if is_bound else "exact",
                reason="1 call of aten::nonzero counted as 0" if is_bound else None,
                dataset="imagenet-1k" if tag else None,
                license=license_name,
                source=f"https://huggingface.co/{zoo}/{arch}.{tag}" if tag else None,
                **costs,
                **(_accuracies(source, tag or "", costs["macs"], offset) if known else {}),
            )


def _costs(macs: float, params: int) -> dict[str, int]:
    return {
        "params": params,
        "macs": int(macs),
        "flops": 2 * int(macs),
        "activations": int(macs**0.75 * 0.9),
        "peak_activation_bytes": int(macs**0.6 * 22),
        "weight_bytes": 4 * params,
        "operations": 60 + params % 700,
        **({"file_bytes": 4 * params + 20_000} if params % 10 == 0 else {}),
    }


def _accuracies(source: random.Random, tag: str, macs: float, offset: float) -> dict[str, float]:
    pretraining = 1.6 if "22k" in tag or "laion" in tag else 0.0
    saturation = 0.55 * max(0.0, math.log10(macs / 2e10)) ** 2
    top1 = 77.5 + offset + pretraining + 3.4 * math.log10(macs / 4e9) - saturation + source.gauss(0, 0.9)
    top1 = round(min(90.1, max(30.0, top1)), 3)
    return {
        "imagenet_top1": top1,
        "imagenet_top5": round(100 - (100 - top1) * 0.24, 3),
        "imagenet_real_top1": round(100 - (100 - top1) * 0.62, 3),
        "imagenet_v2_top1": round(top1 - 10.5, 3),
    }


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "=1+1",
    "x" * 300,
    "🦊 model",
    "مرحبا",
    'a" onmouseover="alert(1)',
    "it's & more",
)


def hostile_report() -> Report:
    """The same hostile texts in every place that holds text."""
    rows = [
        row_like(
            text,
            text,
            zoo=text,
            family=text,
            dataset=text,
            license=text,
            reason=text,
            source="javascript:alert(1)",
            status="bound",
            macs=10**9 * (number + 1),
            params=10**6,
            imagenet_top1=70.0 + number,
        )
        for number, text in enumerate(HOSTILE)
    ]
    rows += [row_like(f"other{number}", task=text, macs=5) for number, text in enumerate(HOSTILE)]
    unmatched = [dict.fromkeys(("source", "name", "input", "reason"), text) for text in HOSTILE]
    parts = dict.fromkeys(HOSTILE, (10**9, 10**7))
    breakdown = pd.concat([breakdown_like(text, zoo=text, operation=parts, stage=parts) for text in (*HOSTILE, "__proto__")])
    return report_like(rows, title=HOSTILE[1], warnings=HOSTILE, coverage=rows, unmatched=unmatched, breakdown=breakdown)
