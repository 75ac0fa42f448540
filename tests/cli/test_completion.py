"""What a shell completes, asked of bash with the script that `--show-completion` prints."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reports.cli.verbs import VERBS
from zoo.devices.data_sheets import shipped_devices
from zoo.run_config import STATED

ASKED = {
    "": set(VERBS),
    "se": {"select"},
    "cache ve": {"verify"},
    "select --max-p": {"--max-params", "--max-peak-memory"},
    "select --device rtx-40": {name for name in shipped_devices() if name.startswith("rtx-40")},
    "devices galaxy": {name for name in shipped_devices() if name.startswith("galaxy")},
    "show x --dtype f": {precision.dtype for precision in STATED if precision.dtype.startswith("f")},
    "count x --format ": {"table", "json", "csv"},
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, set[str]]:
    """The completions of each line, by a bash that has sourced the script."""
    bash, folder = shutil.which("bash"), tmp_path_factory.mktemp("shell")
    if bash is None:
        pytest.skip("there is no bash")
    command = folder / "zoometer"
    command.write_text(f'#!{bash}\nexec {sys.executable} -c "from reports.cli import main; main()" "$@"\n')
    command.chmod(0o755)
    asks = [
        f"COMP_WORDS=({shlex.join(['zoometer', *line.split(' ')])}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); "
        "_zoometer_completion zoometer; echo ${COMPREPLY[*]}"
        for line in ASKED
    ]
    (folder / "ask.sh").write_text("\n".join(['eval "$(zoometer --show-completion)"', *asks]))
    surroundings = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(repository), "SHELL": bash}
    said = subprocess.run([bash, folder / "ask.sh"], env=surroundings, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    return {line: set(words.split()) for line, words in zip(ASKED, said.stdout.splitlines(), strict=True)}


@pytest.mark.parametrize("line", ASKED, ids=lambda line: line or "nothing")
def test_a_shell_completes(answers: dict[str, set[str]], line: str) -> None:
    assert answers[line] == ASKED[line]
