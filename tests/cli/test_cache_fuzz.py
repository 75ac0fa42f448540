"""Commands on caches that somebody else made: each ends in words, and what it shows is what makes sense."""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Iterator

import pytest
from fuzz_caches import READERS, add_foreign_file, add_senseless_rows
from fuzz_commands import Folder, without_work
from fuzzing import Findings, run_command

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """The folder of the cases; the cache there has the listing of the installed zoo already."""
    folder = Folder(tmp_path_factory.mktemp("caches"))
    with pytest.MonkeyPatch.context() as patch:
        without_work(patch)
        with folder.case():
            run_command("refresh", "zoometer.yaml", "--quiet")
            run_command("speeds", "import", "speed.csv")
            folder.keep()
        yield folder


def fuzz(folder: Folder, count: int, seed: int) -> Findings:
    findings = Findings()
    for number in range(seed, seed + count):
        rng = random.Random(number)
        line = READERS[number % len(READERS)]
        with folder.case() as here:
            for _ in range(rng.randint(1, 3)):
                rng.choice((add_senseless_rows, add_foreign_file))(here / "cache", rng)
            findings.case(f"{line}, seed {number}", run_command, *shlex.split(line))
    return findings


def test_a_cache_of_somebody_else_ends_in_words(folder: Folder) -> None:
    findings = fuzz(folder, len(READERS), seed=1_000_000)
    findings.check()
    assert findings.codes["exit code 0"]


@pytest.mark.long
def test_five_hundred_caches_of_somebody_else(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    findings = fuzz(folder, 500, seed=0)
    with capsys.disabled():
        sys.stdout.write(f"\ncaches: {findings.summary()}\n")
    findings.check()
