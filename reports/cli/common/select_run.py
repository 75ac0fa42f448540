"""How `zoometer select` and `plot` spell the keys of a budget, and how an answer is printed."""

from __future__ import annotations

from reports.cli.common.output import print_csv, print_json
from reports.selection.budget_answer import BudgetAnswer
from reports.terminal import selection_text
from reports.terminal.console import make_console

_OPTIONS = {
    "params": "--max-params", "macs": "--max-gmacs", "accuracy": "--min-top1", "throughput": "--min-throughput",
    **{name: f"--max-{name.replace('_', '-')}" for name in ("activations", "peak_memory", "memory", "file_size", "latency")},
}  # fmt: skip
"""The option that sets a key of a budget, where it is not `--key`."""


def option_of(key: str) -> str:
    """The option of the command line that sets a key of a budget."""
    return _OPTIONS.get(key, f"--{key.replace('_', '-')}")


def print_answer(answer: BudgetAnswer, form: str) -> None:
    """Print as `table`, `json` or `csv`."""
    if form == "json":
        print_json(selection_text.answer_record(answer))
    elif form == "csv":
        print_csv(selection_text.answer_table(answer))
    else:
        selection_text.print_answer(make_console(), answer)
