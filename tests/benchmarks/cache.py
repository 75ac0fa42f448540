"""How long the cache takes: a refresh with nothing to do, one model's row among a million, and the compaction of a thousand parts.

    python tests/benchmarks/cache.py            all three, in a temporary folder
    python tests/benchmarks/cache.py lookup     one of: refresh, lookup, compact

The rows are synthetic: keys as a plan makes them, figures at random. Times are of fresh processes, importing included; CPU is
user and system time together.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from zoo.cache.changes import FIGURES
from zoo.cache.maintenance import compact
from zoo.cache.schema.tables import columns_of
from zoo.cache.store import Store
from zoo.records import CostKey

CONFIG = "cache: {cache}\nzoos: {{torchvision: , timm: }}\ninputs: [native, 224]\naccuracy: {{fetch: false}}\n"
SIZES = [f"3x{size}x{size}" for size in range(64, 864, 8)]
RECENT = datetime(2026, 1, 2, tzinfo=UTC)

LOOKUP = """
import sys, time
began = time.perf_counter()
from zoo.cache.store import Store
opened = time.perf_counter()
row = Store(sys.argv[1]).costs(zoo="timm", arch="arch_05000")
took = time.perf_counter() - opened
(peak,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss may be the parent's
print(len(row), opened - began, took, int(peak.split()[1]) * 1024 / 1e6)
"""


def synthetic_costs(keys: list[CostKey], versions: dict[str, Any], counted_at: datetime) -> pa.Table:
    """A cost row for each key, its figures below 2^40."""
    columns: dict[str, list[Any]] = {name: [key[i] for key in keys] for i, name in enumerate(CostKey._fields)}
    columns |= {name: [random.getrandbits(40) for _ in keys] for name in FIGURES}
    return columns_of("costs", len(keys), columns, {"status": "exact", "counted_at": counted_at, **versions})


def keys_of(archs: range) -> list[CostKey]:
    """A key for each architecture at each size."""
    return [CostKey("timm", f"arch_{arch:05}", size, 1000) for arch in archs for size in SIZES]


def fill(store: Store, parts: int, archs: int) -> None:
    """Parts of a cache, each with all sizes of `archs` architectures."""
    store.prepare()
    for part in range(parts):
        keys = keys_of(range(part * archs, (part + 1) * archs))
        store.append("costs", synthetic_costs(keys, {"library_version": "1.0"}, RECENT + timedelta(seconds=part)))


def run(arguments: list[str], folder: Path) -> tuple[str, float, float]:
    """What a process printed, its wall time and its CPU time, in seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 3}, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, time.perf_counter() - began, cpu


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def refresh_nothing(folder: Path) -> None:
    """Everything torchvision and timm have, at two sizes, all of it in the cache."""
    from reports.config.config_file import load_config
    from zoo.refresh.accuracy_sync import save_accuracy, sync_accuracy
    from zoo.refresh.catalogue import list_zoos, save_listings
    from zoo.refresh.plan import requested_costs
    from zoo.settings import Listener

    config = folder / "all.yaml"
    config.write_text(CONFIG.format(cache=folder / "cache"), encoding="utf-8")
    settings = load_config(config).refresh_settings()
    store = Store(settings.cache)
    store.prepare()
    listings = list_zoos(settings, store)
    published = sync_accuracy(settings, listings, store, Listener())
    save_listings(store, listings)
    save_accuracy(store, published)
    rows = 0
    for name, listing in listings.items():
        results = published[name].rows if name in published else ()
        keys = list(requested_costs(listing.architectures, settings.zoos[name], results))
        fields = {"library_version": "library", "torch_version": "torch", "counter_version": "counter"}
        versions = {column: getattr(listing.versions, field) for column, field in fields.items()}
        store.append("costs", synthetic_costs(keys, versions, datetime.now(UTC)))
        rows += len(keys)
    zoometer = [sys.executable, "-c", "from reports.cli import main; main()"]
    for attempt in ("first", "again"):
        said, wall, cpu = run([*zoometer, "refresh", str(config), "--quiet", "--format", "json"], folder)
        assert '"counted": 0' in said, said
        say(f"refresh with nothing to do, {rows:,} rows of all zoos, {attempt}: {wall:.2f} s, CPU {cpu:.2f} s")


def look_up(folder: Path) -> None:
    """One architecture among ten thousand, each at a hundred sizes."""
    store = Store(folder / "cache")
    fill(store, parts=100, archs=100)
    for state in ("in 100 parts", "compacted"):
        said, wall, cpu = run([sys.executable, "-c", LOOKUP, store.address], folder)
        rows, imports, seconds, megabytes = map(float, said.split())
        assert rows == len(SIZES)
        size = sum(path.stat().st_size for path in (folder / "cache" / "costs").iterdir()) / 1e6
        say(
            f"one model's {rows:.0f} of 1,000,000 cost rows ({size:.0f} MB), {state}: {seconds:.2f} s, with importing "
            f"{imports + seconds:.2f} s; the process {wall:.2f} s, CPU {cpu:.2f} s, at most {megabytes:.0f} MB"
        )
        compact(store)


def compact_many(folder: Path) -> None:
    """A thousand parts of 100 rows and a thousand parts of their operations."""
    store = Store(folder / "cache")
    fill(store, parts=1000, archs=1)
    for part in range(1000):
        key = CostKey("timm", f"arch_{part:05}", SIZES[0], 1000)
        columns: dict[str, list[Any]] = {
            "position": list(range(150)),
            "calls": [1] * 150,
            "module": [f"layer.{i}" for i in range(150)],
        }
        counted_at = RECENT + timedelta(seconds=part)
        store.append("ops", columns_of("ops", 150, columns, {**key._asdict(), "counted_at": counted_at}))
    began, cpu = time.perf_counter(), time.process_time()
    done = {rewritten.table: rewritten for rewritten in compact(store)}
    for name in ("costs", "ops"):
        say(f"compaction of {name}: {done[name].files_before} parts with {done[name].rows:,} rows become {done[name].files}")
    say(f"compaction of both: {time.perf_counter() - began:.2f} s, CPU {time.process_time() - cpu:.2f} s")


BENCHMARKS: dict[str, Callable[[Path], None]] = {"refresh": refresh_nothing, "lookup": look_up, "compact": compact_many}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", nargs="?", choices=list(BENCHMARKS))
    chosen = parser.parse_args().benchmark
    for name in [chosen] if chosen else BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="zoometer-") as folder:
            BENCHMARKS[name](Path(folder))


if __name__ == "__main__":
    main()
