"""Who may import whom, and what the command loads before it answers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from reports.cli.verbs import VERBS

HEAVY = ("torch", "torchvision", "timm", "pandas", "pyarrow", "pydantic", "openpyxl", "numpy")


def modules_after(code: str, folder: Path) -> set[str]:
    """Top-level modules that are loaded after some code ran in a new interpreter."""
    return {name.partition(".")[0] for name in all_modules_after(code, folder)}


def all_modules_after(code: str, folder: Path) -> set[str]:
    """All modules that are loaded after some code ran in a new interpreter."""
    listing = f"import sys\n{code}\nprint('\\n'.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", listing], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def running(arguments: list[str]) -> str:
    """Code that runs the command and prints nothing."""
    return f"""
import contextlib, reports.cli
sys.argv = ["zoometer", *{arguments}]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
    reports.cli.main()
"""


def test_contracts_between_packages_are_kept(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    # In a process of its own, because it reconfigures logging and so silences the loggers of every other test.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", "pyproject.toml", "--no-cache"]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import zoo",
        "import reports",
        "import zoo.records, zoo.errors, zoo.units",
        "import reports.cli",
        "import zoo.adapters.registry",
    ],
)
def test_importing_loads_nothing_heavy(repository: Path, code: str) -> None:
    assert not modules_after(code, repository) & set(HEAVY)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["list", "--help"], ["--version"], ["version"], ["run", "missing.yaml"]]
)
def test_the_command_answers_without_loading_torch(repository: Path, arguments: list[str]) -> None:
    loaded = modules_after(running(arguments), repository)
    assert not loaded & {"torch", "torchvision", "timm", "pandas"}


def test_a_verb_is_imported_without_the_others(repository: Path) -> None:
    loaded = all_modules_after(running(["version"]), repository)
    verbs = {f"reports.cli.{verb.home.partition(':')[0]}" for verb in VERBS.values()}
    assert verbs & loaded == {"reports.cli.keep.version"}


def test_a_configuration_is_checked_without_loading_torch(repository: Path) -> None:
    code = "from reports.config.config_file import load_config\nload_config('configs/default.yaml').refresh_settings()"
    assert not modules_after(code, repository) & {"torch", "torchvision", "timm", "pandas"}


@pytest.mark.parametrize("module", ["records", "errors", "units"])
def test_what_everything_rests_on_needs_only_the_standard_library(repository: Path, module: str) -> None:
    tree = ast.parse((repository / "zoo" / f"{module}.py").read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {"zoo.errors", "zoo.units", "zoo.records"}
    assert {name for name in imported - own if name.partition(".")[0] not in sys.stdlib_module_names} == set()
