"""What `zoometer schedule` prints, checked by what would read it; and three nights of a schedule."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a distribution of their own
import pytest
import yaml
from fakes_installed import installed
from typer.testing import CliRunner, Result
from zoo_of_versions import FIRST, SECOND, set_version

from reports.cli import app
from reports.cli.common.errors import ExitCode
from reports.cli.keep.schedule import FILES
from zoo.cache.store import Store


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="zoometer")


def printed(*arguments: str) -> str:
    result = zoometer("schedule", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_systemd_accepts_the_units(tmp_path: Path, require_program: Callable[..., str]) -> None:
    verify = require_program("systemd-analyze")
    assert zoometer("schedule", "systemd", "--output", str(tmp_path)).exit_code == 0
    files = sorted(tmp_path.iterdir())
    assert [path.suffix for path in files] == [".service", ".timer"]
    said = subprocess.run([verify, "verify", "--man=no", *map(str, files)], capture_output=True, text=True, check=False)
    lines = [line for line in said.stderr.splitlines() if "zoometer" in line]  # the machine's own units may be at fault
    assert [line for line in lines if "is not executable" not in line] == []  # the program is not installed at that path
    calendar = re.search("OnCalendar=(.*)", files[1].read_text())
    assert calendar
    shown = subprocess.run([verify, "calendar", calendar[1]], capture_output=True, text=True, check=True)
    assert "03:30:00" in shown.stdout


def test_systemd_takes_no_alarm_from_what_is_none() -> None:
    (codes,) = re.findall("^SuccessExitStatus=(.*)", printed("systemd"), re.MULTILINE)
    assert {int(code) for code in codes.split()} == {ExitCode.MODELS_FAILED, ExitCode.BUSY}


def test_cron_runs_the_command_in_its_folder(tmp_path: Path) -> None:
    (line,) = [line for line in printed("cron").splitlines() if not line.startswith("#")]
    fields, command = line.split(" ", 5)[:5], line.split(" ", 5)[5]
    assert fields == ["30", "3", "*", "*", "*"]
    assert "%" not in command  # cron would read it as the end of a line
    program = tmp_path / ".venv" / "bin" / "zoometer"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s|" "$PWD" "$@"\n')
    program.chmod(0o755)
    subprocess.run(["/bin/sh", "-c", command.replace("/srv/zoometer", str(tmp_path))], check=True)
    logged = (tmp_path / "zoometer-nightly.log").read_text()
    assert logged.split("|")[:-1] == [str(tmp_path), "refresh", "configs/nightly.yaml", "--no-wait"]


WORKFLOW = {  # the parts of GitHub's schema of workflows that are used
    "type": "object",
    "required": ["on", "jobs"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "on": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "schedule": {
                    "type": "array",
                    "items": {"type": "object", "required": ["cron"], "properties": {"cron": {"pattern": r"^\d+ \d+ \* \* \*$"}}},
                },
                "workflow_dispatch": {"type": "object"},
            },
        },
        "permissions": {"type": "object", "additionalProperties": {"enum": ["read", "write", "none"]}},
        "concurrency": {
            "type": "object",
            "required": ["group"],
            "properties": {"group": {"type": "string"}, "cancel-in-progress": {"type": "boolean"}},
        },
        "jobs": {
            "type": "object",
            "patternProperties": {
                "^[A-Za-z_][A-Za-z0-9_-]*$": {
                    "type": "object",
                    "required": ["runs-on", "steps"],
                    "additionalProperties": False,
                    "properties": {
                        "runs-on": {"type": "string"},
                        "timeout-minutes": {"type": "integer"},
                        "steps": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "if": {"type": "string"},
                                    "uses": {"pattern": r"^[\w-]+/[\w/-]+@v\d+$"},
                                    "run": {"type": "string"},
                                    "with": {"type": "object", "additionalProperties": {"type": "string"}},
                                },
                                "oneOf": [{"required": ["uses"]}, {"required": ["run"]}],
                            },
                        },
                    },
                }
            },
            "additionalProperties": False,
        },
    },
}


def test_github_accepts_the_workflow() -> None:
    text = printed("github")
    workflow = yaml.safe_load(text.replace("\non:", "\n'on':"))  # YAML 1.1 reads a bare `on` as true
    jsonschema.validate(workflow, WORKFLOW)
    steps = workflow["jobs"]["refresh"]["steps"]
    (command,) = [step["run"] for step in steps if "zoometer refresh" in step.get("run", "")]
    for code, expected in ((0, 0), (2, 1), (3, 0), (4, 1)):  # models that cannot be counted are no alarm
        done = subprocess.run(
            ["/bin/bash", "-e", "-c", command.replace("zoometer", f"exit_with() {{ return {code}; }}; exit_with", 1)], check=False
        )
        assert bool(done.returncode) == bool(expected)
    kept = [step["with"] for step in steps if step.get("uses", "").startswith("actions/cache")]
    assert [with_["path"] for with_ in kept] == ["cache/", "cache/"]
    assert kept[0]["restore-keys"] in kept[1]["key"]
    assert shlex.split(command)[:3] == ["zoometer", "refresh", "configs/nightly.yaml"]


NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 52}
METADATA = {"type": "object", "required": ["name"], "properties": {"name": NAME}}
CRON_JOB = {  # what Kubernetes' API asks of a CronJob, as far as it is used
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "batch/v1"},
        "kind": {"const": "CronJob"},
        "metadata": METADATA,
        "spec": {
            "type": "object",
            "required": ["schedule", "jobTemplate"],
            "additionalProperties": False,
            "properties": {
                "schedule": {"pattern": r"^\d+ \d+ \* \* \*$"},
                "concurrencyPolicy": {"enum": ["Allow", "Forbid", "Replace"]},
                "jobTemplate": {
                    "type": "object",
                    "properties": {
                        "spec": {
                            "type": "object",
                            "required": ["template"],
                            "additionalProperties": False,
                            "properties": {
                                "backoffLimit": {"type": "integer"},
                                "template": {
                                    "type": "object",
                                    "required": ["spec"],
                                    "properties": {
                                        "spec": {
                                            "type": "object",
                                            "required": ["containers", "restartPolicy"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "restartPolicy": {"enum": ["Never", "OnFailure"]},
                                                "containers": {
                                                    "type": "array",
                                                    "items": {
                                                        "type": "object",
                                                        "required": ["name", "image"],
                                                        "additionalProperties": False,
                                                        "properties": {
                                                            "name": NAME,
                                                            "image": {"type": "string"},
                                                            "command": {"type": "array", "items": {"type": "string"}},
                                                            "workingDir": {"pattern": "^/"},
                                                            "resources": {"type": "object"},
                                                            "volumeMounts": {
                                                                "type": "array",
                                                                "items": {
                                                                    "type": "object",
                                                                    "required": ["name", "mountPath"],
                                                                    "properties": {"mountPath": {"pattern": "^/"}},
                                                                },
                                                            },
                                                        },
                                                    },
                                                },
                                                "volumes": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                                            },
                                        }
                                    },
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}


def test_kubernetes_accepts_the_manifest() -> None:
    claim, job = yaml.safe_load_all(printed("kubernetes"))
    jsonschema.validate(job, CRON_JOB)
    assert claim["kind"] == "PersistentVolumeClaim"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    names = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(names)
    assert names["work"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    words = shlex.split(container["command"][-1])
    at = words.index("refresh")
    assert words[at - 1 : at + 2] == ["zoometer", "refresh", "/config/nightly.yaml"]


def test_what_the_files_refresh_by_is_a_configuration_of_this_repository(repository: Path) -> None:
    named = re.findall(r"configs/\S+?\.yaml", "".join(printed(scheduler) for scheduler in FILES))
    assert set(named) == {"configs/nightly.yaml"}
    assert (repository / named[0]).is_file()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Result, dict[str, Any]]]:
    """Three refreshes as a scheduler runs them: of an empty cache, with nothing new, and after the library was brought up to date."""
    folder = tmp_path_factory.mktemp("nights")
    done = []
    with pytest.MonkeyPatch.context() as patch, installed(folder, versioned="zoo_of_versions:VersionedZoo"):
        patch.chdir(folder)
        (folder / "nightly.yaml").write_text("zoos: {versioned: }\nexecution: {workers: 1}\n")
        for version in (FIRST, FIRST, SECOND):
            set_version(folder, version)
            arguments = ["refresh", "nightly.yaml", "--no-wait", "--fail-on", "changed", "--format", "json", "--quiet"]
            result = zoometer(*arguments)
            done.append((result, json.loads(result.stdout)))
        changes = zoometer("changes", "--format", "json")
        done.append((changes, json.loads(changes.stdout)))
        assert len(Store("cache").runs()) == 3
    return done


def test_the_first_night_counts_everything(nights: list[tuple[Result, dict[str, Any]]]) -> None:
    result, summary = nights[0]
    assert (summary["planned"], summary["counted"], summary["added"], summary["failing"], result.exit_code) == (4, 4, 4, 0, 0)


def test_the_second_night_finds_nothing_to_do_and_leaves_a_record(nights: list[tuple[Result, dict[str, Any]]]) -> None:
    result, summary = nights[1]
    figures = ("counted", "failed", "added", "changed", "removed", "recovered")
    assert [summary[name] for name in figures] == [0] * len(figures)
    assert (summary["planned"], summary["reused"], result.exit_code) == (4, 4, 0)


def test_the_third_night_counts_again_and_says_what_changed(nights: list[tuple[Result, dict[str, Any]]]) -> None:
    result, summary = nights[2]
    assert (summary["counted"], summary["failed"], summary["planned"]) == (3, 1, 4)
    assert (summary["added"], summary["removed"], summary["changed"], summary["broken"]) == (1, 1, 1, 1)
    assert result.exit_code == 4  # as --fail-on asks; without it 3
    _, changes = nights[3]
    said = {(row["kind"], row["arch"]): row["cause"] for row in changes["rows"]}
    assert said[("changed", "grows")] == f"versioned {FIRST} → {SECOND}"
    assert said[("removed", "leaves")] == f"versioned {FIRST} → versioned {SECOND}"
    assert said[("failed", "breaks")] == "build: ValueError: odd"
    assert ("added", "arrives") in said
    assert changes["counts"]["unchanged"] == 1
    macs = {row["figure"]: (row["old"], row["new"]) for row in changes["rows"] if row["arch"] == "grows"}["macs"]
    assert macs[1] - macs[0] == 4 * 8 * 8  # one more output of a linear layer on 4x8x8 activations
