"""The action, the hook and the image in configs/: their commands run, and they agree with pyproject and the README.

No image is built here: its instructions are read, and held against what pip and the README need.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from reports.cli import app

ACTION = Path("configs/github-action/action.yml")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return project


@pytest.fixture(scope="module")
def instructions(repository: Path) -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with what stands behind it."""
    lines = (repository / "configs/Dockerfile").read_text().splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line and not line.startswith("#")]


def values(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in instructions if instruction == name]


def lines_of_readme(repository: Path) -> list[list[str]]:
    """The commands of the two lines: set-up and job."""
    block = re.search(r"```\n(pip install .*?)```", (repository / "README.md").read_text(), re.DOTALL)
    assert block
    return [line.partition("#")[0].strip().split(" && ") for line in block[1].splitlines()]


def test_the_image_has_a_python_that_the_package_admits(instructions: list[tuple[str, str]], project: dict[str, Any]) -> None:
    images = [value.split()[0] for value in values(instructions, "FROM") if ":" in value]
    (version,) = {re.fullmatch(r"python:(\d+\.\d+)-slim", image)[1] for image in images}  # type: ignore[index]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]
    least = re.fullmatch(r">=(\d+)\.(\d+)", project["requires-python"])
    assert least
    assert tuple(map(int, version.split("."))) >= (int(least[1]), int(least[2]))


def test_the_image_runs_the_two_lines_of_the_readme(instructions: list[tuple[str, str]], repository: Path) -> None:
    runs = [shlex.split(run.replace("--no-cache-dir ", "")) for run in values(instructions, "RUN")]
    (set_up, job), (set_up_tests, tests) = lines_of_readme(repository)
    assert runs == [shlex.split(set_up), shlex.split(set_up_tests)]
    entries, (arguments,) = map(json.loads, values(instructions, "ENTRYPOINT")), map(json.loads, values(instructions, "CMD"))
    test_entry, run_entry = entries
    assert [*run_entry, *arguments] == shlex.split(job)
    assert test_entry == shlex.split(tests)


def test_the_image_copies_what_the_install_needs(
    instructions: list[tuple[str, str]], project: dict[str, Any], repository: Path
) -> None:
    copied = {source for value in values(instructions, "COPY") for source in value.split()[:-1]}
    hatch = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["readme"], *project["license-files"], *hatch["packages"]}
    needed |= {path.split("/")[0] for path in hatch["force-include"]}
    assert needed <= copied
    assert all((repository / source).exists() for source in copied)
    admitted = (repository / "configs/Dockerfile.dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in admitted if line.startswith("!")} == copied


def test_the_images_command_and_variables_are_those_of_the_package(
    instructions: list[tuple[str, str]], project: dict[str, Any], repository: Path
) -> None:
    assert json.loads(values(instructions, "ENTRYPOINT")[-1])[0] in project["scripts"]
    shown = CliRunner().invoke(app, ["run", "--help"]).stdout
    folders = dict(pair.split("=") for value in values(instructions, "ENV") for pair in value.split())
    assert all(name in shown for name in folders)
    (volume,) = values(instructions, "VOLUME")
    assert all(folder.startswith(f"{volume}/") for folder in folders.values())
    (arguments,) = map(json.loads, values(instructions, "CMD"))
    assert (repository / arguments[-1]).is_file()


def script(repository: Path, step: str) -> str:
    action = yaml.safe_load((repository / ACTION).read_text())
    assert action["runs"]["using"] == "composite"
    (found,) = [one["run"] for one in action["runs"]["steps"] if one.get("id") == step]
    return str(found)


@pytest.mark.parametrize(("options", "code"), [("--max-params 2M", 0), ("--max-params 1M", 1), ("--max-prams 1M", 2)])
def test_the_action_ends_as_the_check_does_and_says_so_in_the_summary(
    repository: Path, tmp_path: Path, options: str, code: int
) -> None:
    command = tmp_path / "zoometer"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from reports.cli import main; main()" "$@"\n')
    command.chmod(0o755)
    surroundings = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(repository),
        "MODEL": "torchvision/squeezenet1_0",
        "OPTIONS": f"--input 64 {options}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(repository, "check")]  # as GitHub starts it
    done = subprocess.run(bash, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    report = tmp_path / "model-budget.json"
    assert (tmp_path / "outputs").read_text() == f"report={report}\n"
    if code < 2:
        assert json.loads(report.read_text())[0]["is_kept"] is (code == 0)
        assert ("EXCEEDED" in (tmp_path / "summary").read_text()) is (code == 1)


def test_the_actions_inputs_are_those_that_its_steps_use(repository: Path) -> None:
    text = (repository / ACTION).read_text()
    assert set(re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", text)) == set(yaml.safe_load(text)["inputs"])
    assert "${{" not in script(repository, "check")  # an input is no part of a script: it could end it


def test_the_hook_is_a_command_line_that_the_check_reads(repository: Path) -> None:
    content = yaml.safe_load((repository / "configs/pre-commit/pre-commit-config.yaml").read_text())
    (hook,) = content["repos"][0]["hooks"]
    assert {"id", "name", "entry", "language", "pass_filenames", "files"} == set(hook)
    program, verb, _, *options = shlex.split(hook["entry"])
    assert program == "zoometer"
    result = CliRunner().invoke(app, [verb, "no.such.module:Net", *options])
    assert result.exit_code == 2
    assert "no.such.module" in result.stderr  # the options were read, the model was looked for
