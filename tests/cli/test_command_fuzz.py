"""Mutated command lines, and mutated tables that commands read: each ends by itself, in time, with a documented exit code."""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Iterator

import pytest
from fuzz_commands import COSTS, LINES, SPEEDS, Folder, mutated_line, without_work
from fuzzing import WORDS, Findings, mutate, run_command

from reports.cli.verbs import VERBS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """The folder of the cases; the cache there has the listing of the installed zoo already."""
    folder = Folder(tmp_path_factory.mktemp("commands"))
    with pytest.MonkeyPatch.context() as patch:
        without_work(patch)
        with folder.case():
            run_command("refresh", "zoometer.yaml", "--quiet")
            folder.keep()
        yield folder


def fuzz_lines(folder: Folder, count: int, seed: int) -> Findings:
    findings = Findings()
    for number in range(seed, seed + count):
        arguments = mutated_line(random.Random(number))
        with folder.case():
            findings.case(f"seed {number}", run_command, *arguments)
    return findings


TABLES = (
    ("table.csv", COSTS, "audit torchvision --against table.csv"),
    ("table.csv", COSTS, "report audit.yaml --format md"),
    ("speed.csv", SPEEDS, "speeds import speed.csv"),
    ("speed.csv", SPEEDS, "calibrate --device rtx-4090 --from speed.csv"),
    ("speed.csv", SPEEDS, "select --device rtx-4090 --max-latency 50ms --speed speed.csv"),
)
AUDIT = "zoos: {torchvision: {include: resnet50}}\naccuracy: {fetch: false}\naudit: [{zoo: torchvision, against: table.csv}]\n"


def mutated_table(text: str, rng: random.Random) -> bytes:
    mutant = mutate(text, rng, [*WORDS, "x" * 1_000_000, ",".join(["a"] * 10_000), "1e999999999", "1/0", "model", "macs"])
    content = mutant.encode("utf-8", "surrogatepass")
    match rng.randrange(10):
        case 0:
            return mutant.encode("utf-16", "surrogatepass")
        case 1:
            at = rng.randint(0, len(content))
            return content[:at] + rng.randbytes(rng.choice((1, 3, 500))) + content[at:]
    return content


def fuzz_tables(folder: Folder, count: int, seed: int) -> Findings:
    findings = Findings()
    for number in range(seed, seed + count):
        rng = random.Random(number)
        name, text, line = TABLES[number % len(TABLES)]
        with folder.case() as here:
            (here / name).write_bytes(mutated_table(text, rng))
            (here / "audit.yaml").write_text(AUDIT)
            findings.case(f"{line}, seed {number}", run_command, *shlex.split(line))
    return findings


def test_every_verb_has_a_line() -> None:
    assert {line.split()[0] for line in LINES} == set(VERBS)


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_line_as_it_is_ends_in_words(folder: Folder, line: str) -> None:
    findings = Findings()
    with folder.case():
        findings.case(line, run_command, *shlex.split(line))
    findings.check()


def test_mutated_command_lines_end_in_words(folder: Folder) -> None:
    findings = fuzz_lines(folder, 40, seed=1_000_000)
    findings.check()
    assert len(findings.codes) > 1


def test_mutated_tables_end_in_words(folder: Folder) -> None:
    findings = fuzz_tables(folder, 20, seed=1_000_000)
    findings.check()
    assert findings.codes["exit code 2"]


@pytest.mark.long
def test_two_thousand_mutated_command_lines(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    findings = fuzz_lines(folder, 2_000, seed=0)
    with capsys.disabled():
        sys.stdout.write(f"\ncommand lines: {findings.summary()}\n")
    findings.check()


@pytest.mark.long
def test_five_hundred_mutated_tables(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    findings = fuzz_tables(folder, 500, seed=0)
    with capsys.disabled():
        sys.stdout.write(f"\ntables: {findings.summary()}\n")
    findings.check()
