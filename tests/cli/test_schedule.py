"""What `zoometer schedule` prints, checked by what would read it; and three nights of a schedule."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a distribution of their own
import pytest
import yaml
from fakes_installed import installed
from typer.testing import CliRunner, Result
from zoo_of_versions import FIRST, SECOND, set_version

from reports.cli import app
from zoo.cache.store import Store

CONFIG = "zoos: {torchvision: {include: [resnet18]}}\n"


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="zoometer")


def printed(*arguments: str) -> str:
    result = zoometer("schedule", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(params=["plain", "50 % odd 'name' $x"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder a schedule is printed in, whose name may be of any kind."""
    folder = tmp_path / str(request.param)
    folder.mkdir()
    (folder / "nightly.yaml").write_text(CONFIG)
    (folder / "odd 100%.yaml").write_text(CONFIG)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("config", ["nightly.yaml", "odd 100%.yaml"])
def test_systemd_accepts_the_units(folder: Path, config: str, tmp_path: Path, require_program: Callable[..., str]) -> None:
    verify = require_program("systemd-analyze")
    units = tmp_path / "units"
    assert zoometer("schedule", "systemd", config, "--at", "4:05", "--output", str(units)).exit_code == 0
    files = sorted(units.iterdir())
    assert [path.suffix for path in files] == [".service", ".timer"]
    said = subprocess.run([verify, "verify", "--man=no", *map(str, files)], capture_output=True, text=True, check=False)
    about_ours = [line for line in said.stderr.splitlines() if "zoometer" in line]  # the machine's own units may be at fault
    assert not about_ours
    calendar = re.search("OnCalendar=(.*)", files[1].read_text())
    assert calendar
    shown = subprocess.run([verify, "calendar", calendar[1]], capture_output=True, text=True, check=True)
    assert "04:05:00" in shown.stdout


def test_systemd_is_told_the_folder_and_the_command(folder: Path) -> None:
    text = printed("systemd", "nightly.yaml", "--fail-on", "changed")
    (directory,) = re.findall("^WorkingDirectory=(.*)", text, re.MULTILINE)
    assert directory.replace("%%", "%") == str(folder)
    (command,) = re.findall("^ExecStart=(.*)", text, re.MULTILINE)
    program, *arguments = shlex.split(command)
    assert Path(program).is_absolute()
    assert arguments == ["refresh", "nightly.yaml", "--no-wait", "--fail-on", "changed"]


CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def next_run(line: str, now: datetime) -> datetime:
    """When cron runs a line next, by crontab(5): five fields of `*` or a number, day by day."""
    fields = line.split(" ", 5)[:5]
    for field, (least, most) in zip(fields, CRON_FIELDS, strict=True):
        assert field == "*" or least <= int(field) <= most
    minute, hour = int(fields[0]), int(fields[1])
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


@pytest.mark.parametrize("config", ["nightly.yaml", "odd 100%.yaml"])
def test_cron_runs_the_line_in_the_folder(folder: Path, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cron would hand to the shell is handed to it here, with a command that notes how it was called."""
    fake = tmp_path / "zoometer"
    fake.write_text('#!/bin/sh\nprintf "%s|" "$PWD" "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr("reports.cli.common.schedule_files.program", lambda: str(fake))
    line = printed("cron", config, "--at", "23:59")
    assert line.count("\n") == 1
    assert next_run(line, datetime(2026, 1, 2, 12, tzinfo=UTC)) == datetime(2026, 1, 2, 23, 59, tzinfo=UTC)
    command = line.rstrip("\n").split(" ", 5)[5]
    assert not re.search(r"(?<!\\)%", command)  # crontab(5): a bare one ends the command
    subprocess.run(["/bin/sh", "-c", command.replace(r"\%", "%")], check=True, cwd="/")
    (log,) = folder.glob("*.log")
    assert log.read_text().split("|")[:-1] == [str(folder), "refresh", config, "--no-wait"]


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


def test_github_accepts_the_workflow(folder: Path, tmp_path: Path) -> None:
    text = printed("github", "nightly.yaml", "--fail-on", "changed,failed")
    workflow = yaml.safe_load(text)
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
    assert "Done" not in text
    assert shlex.split(command)[:5] == ["zoometer", "refresh", "nightly.yaml", "--fail-on", "changed,failed"]


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


@pytest.mark.parametrize("image", [None, "registry.example/zoometer:1"])
@pytest.mark.parametrize("config", ["nightly.yaml", "odd 100%.yaml"])
def test_kubernetes_accepts_the_manifest(folder: Path, config: str, image: str | None) -> None:
    text = printed("kubernetes", config, *(["--image", image] if image else []))
    settings, claim, job = yaml.safe_load_all(text)
    jsonschema.validate(job, CRON_JOB)
    assert (settings["kind"], claim["kind"]) == ("ConfigMap", "PersistentVolumeClaim")
    assert settings["data"] == {config: CONFIG}
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    names = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(names)
    assert names["config"]["configMap"]["name"] == settings["metadata"]["name"]
    assert names["work"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    command = container["command"][-1]
    assert ("pip install" in command) == (image is None)
    words = shlex.split(command)
    at = words.index("refresh")
    assert words[at - 1 : at + 2] == ["zoometer", "refresh", f"/config/{config}"]


@pytest.mark.parametrize("at", ["24:00", "3", "12:60", "noon"])
def test_a_time_that_is_none_is_an_error(folder: Path, at: str) -> None:
    result = zoometer("schedule", "cron", "nightly.yaml", "--at", at)
    assert result.exit_code == 2
    assert f"'{at}' is no time of day. Write hours and minutes: 03:30." in result.stderr


def test_the_configuration_is_checked_before_anything_is_printed(folder: Path) -> None:
    (folder / "wrong.yaml").write_text("zoo: {}")
    assert zoometer("schedule", "cron", "wrong.yaml").exit_code == 2


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
