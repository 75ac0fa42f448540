"""Worker processes: whatever a model does costs its own row only, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from fakes_installed import environment, installed
from fakes_runs import Run, wait_for_end_of
from zoo_of_poison import (
    ACTS,
    BUILDS,
    CHANNELS,
    CLASSES,
    SIZE,
    WIDTH,
    SlowZoo,
    declared,
    healthy_names,
    noted_processes,
    set_pause,
)

from zoo.cache.store import Store
from zoo.records import CostKey, Status, TraceKey
from zoo.refresh.refresh import refresh
from zoo.settings import Execution, Listener, RefreshSettings, ZooSettings

PIXELS = SIZE * SIZE
MACS = WIDTH * PIXELS * CHANNELS * 3 * 3 + CLASSES * WIDTH * PIXELS
PARAMS = (CHANNELS * 3 * 3 + 1) * WIDTH + (WIDTH * PIXELS + 1) * CLASSES
ACTIVATIONS = WIDTH * PIXELS + CLASSES
PEAK = 4 * (2 * WIDTH * PIXELS + 1)  # float32: the convolution's output, the sum, and the one number added

TIMEOUT_S = 4
REASONS: dict[str, str | tuple[str, ...]] = {
    "raises": "run: ValueError: odd size",
    "raises_at_length": f"run: ValueError: {('long ' * 10_000)[:300]}…",
    "raises_unspeakable": "run: UnspeakableError: its message cannot be read, RuntimeError",
    "raises_unstoppable": "run: UnstoppableError: past all",
    "exits": "run: SystemExit: 0",
    "interrupts": "run: KeyboardInterrupt",
    "recurses": "run: RecursionError: maximum recursion depth exceeded",
    **dict.fromkeys(
        ["hangs", "hangs_deaf", "hangs_in_c"],
        f"timeout: not counted within {TIMEOUT_S} s; raise execution: {{timeout_s: …}}",
    ),
    "ends_process": "worker: its process ended with code 3",
    "ends_process_well": "worker: its process ended with code 0",
    "closes_files": ("worker: its process ", "timeout: not counted"),  # whichever notices first
    "segfaults": "worker: its process was ended by SIGSEGV",
    "is_killed": "worker: its process was ended by SIGKILL, which the system does where memory runs out",
    "allocates_tensors": "memory: RuntimeError: ",
    "allocates_objects": "memory: MemoryError",
    "raises_in_build": "build: LookupError: no such width",
    "changes_dtype_in_build": "run: RuntimeError: Input type (float) and bias type (double) should be the same",
}
"""How the row of each poison that cannot be counted begins; the other poisons leave an exact row."""


class Outcome(NamedTuple):
    costs: pd.DataFrame  # by architecture
    folder: Path  # where the zoo was installed


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One refresh of a declared zoo of all poisons by two workers."""
    folder = tmp_path_factory.mktemp("poison")
    execution = Execution(workers=2, timeout_s=TIMEOUT_S, memory_gb=1)
    with installed(folder):
        refresh(RefreshSettings(str(folder / "cache"), {"poison": ZooSettings(models=declared())}, execution=execution))
    return Outcome(Store(folder / "cache").costs().set_index("arch"), folder)


def test_every_model_has_exactly_one_row(outcome: Outcome) -> None:
    assert sorted(outcome.costs.index) == sorted([*ACTS, *BUILDS, *healthy_names()])


@pytest.mark.parametrize("name", REASONS)
def test_a_poison_gets_its_own_reason_and_no_figure(outcome: Outcome, name: str) -> None:
    row = outcome.costs.loc[name]
    assert row["status"] == "failed"
    assert row["reason"].startswith(REASONS[name])
    assert row[["params", "macs", "flops", "activations", "peak_activation_bytes", "weight_bytes", "operations"]].isna().all()


@pytest.mark.parametrize("name", [*(name for name in (*ACTS, *BUILDS) if name not in REASONS), *healthy_names()])
def test_what_a_model_leaves_behind_changes_no_figure(outcome: Outcome, name: str) -> None:
    row = outcome.costs.loc[name]
    assert row["status"] == "exact", row["reason"]
    assert (row["macs"], row["params"], row["activations"]) == (MACS, PARAMS, ACTIVATIONS)
    assert (row["weight_bytes"], row["peak_activation_bytes"]) == (4 * PARAMS, PEAK)


def test_no_process_is_left_behind(outcome: Outcome) -> None:
    started = noted_processes(outcome.folder)
    assert len(started) == 5  # by the poisons that start one
    wait_for_end_of(started)
    assert not multiprocessing.active_children()


def test_an_input_that_kills_costs_the_other_inputs_nothing(tmp_path: Path) -> None:
    settings = ZooSettings(inputs=("native", "16"))
    with installed(tmp_path, fussy="zoo_of_poison:FussyZoo"):
        summary = refresh(RefreshSettings(str(tmp_path / "cache"), {"fussy": settings}, execution=Execution(workers=1)))
    costs = Store(tmp_path / "cache").costs().set_index(["arch", "input"])
    assert costs.loc[("dies_at_16", "3x16x16"), "reason"] == "worker: its process ended with code 4"
    assert costs.loc[("refuses_16", "3x16x16"), "reason"] == "input: refuses_16 takes no 16"
    counted = costs.drop(index=[("dies_at_16", "3x16x16"), ("refuses_16", "3x16x16")])
    # Among these are those whose worker was ended by another model, in the middle of their job and before it.
    assert len(counted) == 2 * 6 - 2
    assert set(counted["status"]) == {"exact"}
    assert set(counted["macs"]) == {CHANNELS * CLASSES}
    assert (summary.counted, summary.failed, summary.unsupported) == (10, 2, 1)


@pytest.mark.slow
def test_workers_started_from_nothing_count_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with installed(tmp_path, slow="zoo_of_poison:SlowZoo"):
        refresh(RefreshSettings(str(tmp_path / "cache"), {"slow": ZooSettings()}, execution=Execution(workers=1)))
    costs = Store(tmp_path / "cache").costs()
    assert list(costs.sort_values("classes")["macs"]) == [
        WIDTH * PIXELS * CHANNELS * 3 * 3 + classes * WIDTH * PIXELS for classes in range(1, SlowZoo.size + 1)
    ]


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    """Its workers import it: there it must not wait for the refresh that waits for them."""
    script = tmp_path / "careless.py"
    script.write_text(
        "from zoo.refresh.refresh import refresh\n"
        "from zoo.settings import Execution, RefreshSettings, RefreshOptions, ZooSettings\n"
        f"settings = RefreshSettings({str(tmp_path / 'cache')!r}, {{'slow': ZooSettings()}}, execution=Execution(workers=1))\n"
        "refresh(settings, request=RefreshOptions(config='careless'))\n"
    )
    with installed(tmp_path, slow="zoo_of_poison:SlowZoo"):
        done = subprocess.run(
            [sys.executable, script], env=environment(tmp_path), capture_output=True, text=True, timeout=300, check=False
        )
    assert done.returncode == 1
    assert "A script must start counting under: if __name__ == '__main__':" in done.stderr


def test_the_first_interrupt_finishes_what_is_in_hand_and_keeps_it(tmp_path: Path) -> None:
    with Run(tmp_path, workers=2, pause=1) as run:
        counted = run.counted(SlowZoo.quick)
        run.interrupt()
        rest = run.rest()
        assert run.process.wait(timeout=20) == 0
    assert rest[-1] == "ended True"
    assert "says Waiting for running jobs; press Ctrl-C again to stop at once." in rest
    counted += [line.split()[1] for line in rest if line.startswith("counted")]
    assert SlowZoo.quick < len(counted) < SlowZoo.size
    costs = Store(run.cache).costs()
    assert sorted(costs["arch"]) == sorted(counted)
    assert set(costs["status"]) == {"exact"}
    wait_for_end_of(noted_processes(tmp_path))


class Impatient(Listener):
    """Presses Ctrl-C after some rows, and again when it is told to wait."""

    def __init__(self) -> None:
        self.rows = 0

    def counted(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> None:
        self.rows += 1
        if self.rows == SlowZoo.quick:
            signal.raise_signal(signal.SIGINT)

    def notify(self, message: str) -> None:
        assert message.startswith("Waiting for running jobs")
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a terminal, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_second_interrupt_stops_at_once_and_keeps_what_is_done(tmp_path: Path) -> None:
    settings = RefreshSettings(str(tmp_path / "cache"), {"slow": ZooSettings()}, execution=Execution(workers=1, timeout_s=600))
    usual = signal.getsignal(signal.SIGINT)
    with installed(tmp_path, slow="zoo_of_poison:SlowZoo"):
        set_pause(tmp_path, 600)
        with pytest.raises(KeyboardInterrupt):
            refresh(settings, Impatient())
    costs = Store(tmp_path / "cache").costs()
    assert sorted(costs["arch"]) == [f"slow_{i:02d}" for i in range(SlowZoo.quick)]
    assert signal.getsignal(signal.SIGINT) is usual
    wait_for_end_of(noted_processes(tmp_path))


def test_reasons_are_those_of_existing_poisons() -> None:
    assert set(REASONS) <= {*ACTS, *BUILDS}
    reasons = [reason for known in REASONS.values() for reason in ([known] if isinstance(known, str) else known)]
    assert not [reason for reason in reasons if not re.match(r"(build|run|timeout|memory|worker): \w+", reason)]
