"""Faults on purpose: what a cache holds after kills, full disks, disks that fail, clocks set back and object stores that do not answer.

    python tests/benchmarks/faults.py                        1,000 kills, and each other fault at every operation on files
    python tests/benchmarks/faults.py --kills 100            fewer
    python tests/benchmarks/faults.py --only "full disk"     only faults whose name has this

Compactions and prunings are the product's own. What is refreshed is synthetic: rows as a refresh writes them, in the same order;
`tests/refresh/test_refresh_kill.py` kills real refreshes. After each fault the cache is read and compared with what was committed
before. Prints a table; ends with 1 if a row was lost or read twice, or if something else than a sentence for the user was raised.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import fsspec

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1] / "support")]

from fakes_faults import COMMANDS, Outcome, Switch, Weather, failing, note  # noqa: E402 - found by the line above
from fakes_storage import Bucket  # noqa: E402

from zoo.cache.health import verify  # noqa: E402
from zoo.cache.maintenance import compact  # noqa: E402
from zoo.cache.storage import remote_files  # noqa: E402
from zoo.cache.store import Store  # noqa: E402

WRITES = ("Path.open", "Path.mkdir", "Path.write_bytes", "Path.replace", "os.open", "os.fsync")
MOST_OPERATIONS = 2_000
"""More than any command has."""


def kill_commands(folder: Path, number: int, chance: random.Random) -> Iterator[Outcome]:
    """Commands in processes of their own, killed at random moments, until there were enough kills or Ctrl-C."""
    outcomes = {name: Outcome(f"SIGKILL during {name}") for name in COMMANDS}
    ledger = outcomes["refresh"].ledger
    address, series, longest_s = str(folder / "cache"), 0, 0.5
    with suppress(KeyboardInterrupt):
        while sum(outcome.faults for outcome in outcomes.values()) < number:
            names, series = chance.choices(list(COMMANDS), weights=[3, 3, 2], k=2), series + 1
            exit_code, told = kill_after(chance.uniform(0, longest_s), *start(address, names, series * 2))
            longest_s *= 0.8 if exit_code == 0 else 1.05  # about every fifth ends first, so that any moment is met
            for line in told:
                note(ledger, line)
            if told:
                outcome = outcomes[[line for line in told if line.startswith("begin")][-1].split()[1]]
                outcome.faults += exit_code == -signal.SIGKILL
                outcome.raised += ["see above"] * (exit_code == 1)
            if Path(address).exists():
                ledger.check(Store(address))
    compact(Store(address))
    ledger.check(Store(address))
    outcomes["refresh"].raised += [problem.what for problem in verify(Store(address)) if problem.is_harmful]
    for outcome in outcomes.values():
        outcome.ledger = ledger
        yield outcome


def kill_after(seconds: float, pid: int, lines: int) -> tuple[int, list[str]]:
    """Kills a process after some time; its exit code, and what it said it began and what was durable."""
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)  # it exists until somebody waits for it
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(lines) as said:
        return exit_code, said.read().split("\n")[:-1]


def start(address: str, names: list[str], number: int) -> tuple[int, int]:
    """Starts commands in a copy of this process: its number, and where it tells what is durable."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading

    def say(line: str) -> None:
        os.write(writing, f"{line}\n".encode())

    try:
        for place, name in enumerate(names):
            say(f"begin {name}")
            COMMANDS[name](Store(address), number + place, say)
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - that is the question
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)


def at_every_operation(
    outcome: Outcome, new_store: Callable[[], Store], disturbed: Callable[[int], Any], was_met: Callable[[], bool]
) -> Outcome:
    """Each command is disturbed at its first operation, at its second, and so on, until it meets none; then it runs undisturbed."""
    number = 0

    def run(name: str) -> None:
        nonlocal number
        number += 1
        outcome.run(lambda: COMMANDS[name](new_store(), number, lambda line: note(outcome.ledger, line)))

    for name in ("refresh", "refresh"):
        run(name)
    for name in COMMANDS:
        for operation in range(1, MOST_OPERATIONS):
            if name != "refresh" or operation % 8 == 0:
                run("compact")
                run("refresh")  # what is disturbed has the same to do each time
            with disturbed(operation):
                run(name)
            outcome.ledger.check(new_store())
            if not was_met():
                break
            outcome.faults += 1
    for name in COMMANDS:
        run(name)
    outcome.ledger.check(new_store())
    outcome.raised += [problem.what for problem in verify(new_store()) if problem.is_harmful]
    return outcome


def on_a_disk(folder: Path, fault: str, code: int, names: tuple[str, ...], *, is_lasting: bool = False) -> Outcome:
    switch = Switch(is_lasting=is_lasting)

    @contextmanager
    def disturbed(operation: int) -> Iterator[None]:
        switch.left = operation
        with failing(switch, code, names):
            yield

    return at_every_operation(
        Outcome(fault), lambda: Store(folder / fault.replace(" ", "_")), disturbed, lambda: switch.left <= 0
    )


def in_a_bucket(fault: str, error: Exception | None, *, is_lasting: bool = False, longest_lag: int = 0) -> Outcome:
    world = Weather()
    world.switch = Switch(is_lasting=is_lasting)

    @contextmanager
    def disturbed(operation: int) -> Iterator[None]:
        world.switch.left, world.error, world.listing_lag = operation, error, min(operation, longest_lag)
        yield
        world.error, world.listing_lag = None, 0
        if longest_lag:
            world.switch.left = operation - longest_lag  # met at each lag there is

    with (
        mock.patch.object(Bucket, "world", world, create=True),
        mock.patch("zoo.cache.table_store.time.sleep"),
        mock.patch("fakes_storage.PAGE", 1000),
    ):
        return at_every_operation(Outcome(fault), lambda: Store("bucket://cache"), disturbed, lambda: world.switch.left <= 0)


def set_clock_back(folder: Path) -> Outcome:
    """By an hour, a day and a year, between refreshes, compactions and prunings; rows are counted by the same clock."""
    outcome, hours = Outcome("clock set back"), 0

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(hours=hours)

    def run(name: str, number: int) -> None:
        outcome.run(lambda: COMMANDS[name](Store(folder / "clock"), number, lambda line: note(outcome.ledger, line)))
        outcome.ledger.check(Store(folder / "clock"))

    modules = ("zoo.cache.storage.parts", "zoo.cache.table_store", "zoo.cache.maintenance", "fakes_faults")
    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(mock.patch(f"{module}.datetime", Clock))
        for number, hours in enumerate((0, 1, 0, 24, 0, 24 * 365, 48, 0)):
            outcome.faults += hours > 0
            for name in ("refresh", "refresh", "compact", "refresh", "prune"):
                run(name, number)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--only", default="", help="part of the name of a fault")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    remote_files._PUT_WHOLE.add("bucket")
    chance = random.Random(given.seed)
    error, timeout = OSError("500 Internal Server Error"), TimeoutError("timed out")
    is_bad = False
    with tempfile.TemporaryDirectory(prefix="zoometer-") as name:
        folder = Path(name)
        faults: dict[str, Callable[[], Iterator[Outcome] | Outcome]] = {
            "SIGKILL during commands": lambda: kill_commands(folder, given.kills, chance),
            "full disk": lambda: on_a_disk(folder, "full disk, at each write", errno.ENOSPC, WRITES),
            "full disk from then on": lambda: on_a_disk(
                folder, "full disk, from each write on", errno.ENOSPC, WRITES, is_lasting=True
            ),
            "fsync": lambda: on_a_disk(folder, "fsync fails", errno.EIO, ("os.fsync",)),
            "removal": lambda: on_a_disk(folder, "a file cannot be removed", errno.EACCES, ("Path.unlink",)),
            "clock": lambda: set_clock_back(folder),
            "object store 500": lambda: in_a_bucket("object store answers one request with 500", error),
            "object store 500 on": lambda: in_a_bucket("object store answers 500 from then on", error, is_lasting=True),
            "object store timeout": lambda: in_a_bucket("object store times out, before or after it stored", timeout),
            "object store stale": lambda: in_a_bucket("listing that is 1 to 8 changes old", None, longest_lag=8),
        }
        sys.stdout.write(f"seed {given.seed}\n{Outcome.head()}\n")
        for fault, work in faults.items():
            if given.only not in fault:
                continue
            found = work()
            for outcome in [found] if isinstance(found, Outcome) else found:
                sys.stdout.write(f"{outcome.row()}\n" + "".join(f"  {text}\n" for text in Counter(outcome.raised)))
                sys.stdout.flush()
                is_bad |= outcome.is_bad
    raise SystemExit(is_bad)


if __name__ == "__main__":
    main()
