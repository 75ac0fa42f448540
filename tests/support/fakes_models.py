"""A cache of two models with distinct figures, for the commands that speak of single models."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from fakes_cache import NOON, Cache

from zoo.cache.schema.tables import table_of

FIGURES: dict[str, dict[str, Any]] = {
    "small": {"macs": 2_000_000_000, "flops": 4_000_000_000, "params": 5_000_000, "activations": 7_000_000, "peak_activation_bytes": 3_000_000},
    "large": {"macs": 5_000_000_000, "flops": 10_000_000_000, "params": 20_000_000, "activations": 14_000_000, "peak_activation_bytes": 6_000_000},
}  # fmt: skip
STAGES = {"small": {"stem": 500_000_000, "head": 1_500_000_000}, "large": {"stem": 1_000_000_000, "head": 4_000_000_000}}
TOP1 = {("small", "good"): 71.5, ("small", "best"): 74.0, ("large", "good"): 80.25}


def write_models(folder: Path) -> None:
    """Architectures `zeta/small` (with weights `good` and the default `best`) and `zeta/large` (with `good`)."""
    cache = Cache(folder)
    for arch, figures in FIGURES.items():
        cache.arch(arch, zoo="zeta", note="a [red]note[/red]" if arch == "small" else None)
        cache.cost(arch, zoo="zeta", **figures, weight_bytes=4 * figures["params"], operations=17)
        counted_at = NOON + timedelta(minutes=cache._minutes)
        for position, (stage, macs) in enumerate(STAGES[arch].items()):
            row = {"zoo": "zeta", "arch": arch, "input": "3x224x224", "classes": 1000, "variant": "base", "batch": 1}
            operation = {"position": position, "module": f"{stage}.conv", "kind": "conv", "calls": 1, "macs": macs}
            cache.add("ops", **row, **operation, bytes_in=macs // 100, bytes_out=macs // 100, counted_at=counted_at)
    cache.cost("small", None, zoo="zeta", input="3x230x230", status="failed", reason="input: must be a multiple of 32")
    cache.cost("small", 6_000_000_000, zoo="zeta", input="3x384x384", params=5_000_000)
    for (arch, tag), top1 in TOP1.items():
        is_default = (arch, tag) != ("small", "good")
        cache.weights(
            arch, tag, zoo="zeta", is_default=is_default, license="mit", dataset="imagenet-1k", source=f"https://cards/{tag}"
        )
        cache.accuracy(arch, tag, top1, zoo="zeta")
    cache.accuracy("small", "best", 76.5, zoo="zeta", input="3x384x384")
    for table, rows in cache._rows.items():
        cache.store.append(table, table_of(table, rows))
