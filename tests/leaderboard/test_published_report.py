"""Published speeds of the architectures of a report."""

from __future__ import annotations

import pandas as pd

from reports.columns.section_columns import PUBLISHED_SPEEDS
from reports.html.payload import build_published
from reports.leaderboard.speed_report import published_table
from zoo.published.published import published_speeds

LEADERBOARD = pd.DataFrame(
    {"zoo": ["timm"] * 3, "arch": ["resnet18", "resnet18", "resnet50d"], "input": ["3x224x224", "3x288x288", "3x224x224"], "variant": "base"}
)  # fmt: skip


def test_the_table_has_every_way_of_running_at_the_inputs_of_the_leaderboard() -> None:
    table, sources = published_table(LEADERBOARD)
    assert list(table.columns) == [column.key for column in PUBLISHED_SPEEDS]
    assert set(zip(table["arch"], table["input"], strict=True)) == {("resnet18", "3x224x224")}
    same = published_speeds()
    assert len(table) == ((same["arch"] == "resnet18") & (same["zoo"] == "torchvision")).sum()  # timm's computes the same
    assert [(source.name, source.note) for source in sources] == [
        ("speeds: Qualcomm AI Hub Models, perf.yaml of each model", "BSD-3-Clause"),
        ("speeds: Hailo Model Zoo, public models", "MIT"),
        ("speeds: ncnn, benchmark table", "BSD-3-Clause"),
    ]
    assert table["latency_from"].str.len().min() > 20


def test_the_page_has_the_fastest_of_each_device_and_dtype() -> None:
    table, _ = published_table(LEADERBOARD)
    found = build_published(table)
    flat = found["models"]["timm/resnet18"]
    rows = [flat[at : at + 6] for at in range(0, len(flat), 6)]
    named = {(found["words"][device], found["words"][dtype]): latency for _, device, dtype, _, latency, _ in rows}
    phone = table[(table["device"] == "galaxy-s25") & (table["dtype"] == "int8") & (table["batch"] == 1)]
    assert named["galaxy-s25", "int8"] == float(f"{phone['latency_ms'].min():.4g}")
    assert len(named) == len(rows)
    nothing, sources = published_table(LEADERBOARD.tail(1))
    assert (build_published(nothing), sources) == ({"words": [], "models": {}}, ())
