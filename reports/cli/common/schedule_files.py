"""A nightly refresh in the words of four schedulers: systemd, cron, GitHub Actions and Kubernetes.

Each text works as it is on the machine it was printed on: paths are absolute where a scheduler has no folder of its own, and
whatever a scheduler would read as a sign of its own is escaped. Exit codes 3 (some models cannot be counted) and 75 (another
refresh is running) are no reason to raise an alarm.
"""

from __future__ import annotations

import getpass
import re
import shlex
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from reports.cli.common.errors import ExitCode

_NO_ALARM = (ExitCode.MODELS_FAILED, ExitCode.BUSY)
_NAME_LENGTH = 40  # a CronJob's name may have 52 characters, and gets a prefix
_WORK = "/work"
_IMAGE = "python:3.12-slim"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is refreshed, and when."""

    config: str  # path, as it is given to `zoometer refresh`
    folder: Path  # in which the command runs
    cache: str
    hour: int
    minute: int
    fail_on: str | None = None
    image: str | None = None  # with zoometer in it; None: one that installs it

    @property
    def name(self) -> str:
        """A name that systemd, GitHub and Kubernetes accept."""
        stem = re.sub("[^a-z0-9]+", "-", Path(self.config).stem.lower()).strip("-")[:_NAME_LENGTH].strip("-")
        return f"zoometer-{stem or 'refresh'}"

    def arguments(self, *, wait: bool = False) -> list[str]:
        """What follows the program's name."""
        more = ["--fail-on", self.fail_on] if self.fail_on else []
        return ["refresh", self.config, *([] if wait else ["--no-wait"]), *more]


def systemd_units(schedule: Schedule) -> dict[str, str]:
    """A service and its timer, by file name."""
    command = " ".join(map(_systemd_quoted, [program(), *schedule.arguments()]))
    about = f"Refresh of zoometer's cache by {_systemd_escaped(schedule.config)}"
    service = f"""[Unit]
Description={about}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={getpass.getuser()}
WorkingDirectory={_systemd_escaped(str(schedule.folder))}
ExecStart={command}
SuccessExitStatus={" ".join(str(code.value) for code in _NO_ALARM)}
Nice=10
"""
    timer = f"""[Unit]
Description={about}

[Timer]
OnCalendar=*-*-* {schedule.hour:02d}:{schedule.minute:02d}:00
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{schedule.name}.service": service, f"{schedule.name}.timer": timer}


def cron_line(schedule: Schedule) -> str:
    """A line of a crontab; what the command says is added to a log beside the cache."""
    command = shlex.join([program(), *schedule.arguments()])
    line = f"cd {shlex.quote(str(schedule.folder))} && {command} >>{schedule.name}.log 2>&1"
    return f"{schedule.minute} {schedule.hour} * * * {line.replace('%', chr(92) + '%')}\n"


def github_workflow(schedule: Schedule) -> str:
    """A workflow that keeps the cache between its runs, and writes what changed into its summary. Its times are UTC."""
    refresh = shlex.join(["zoometer", *schedule.arguments(wait=True)])
    key = f"{schedule.name}-${{{{ github.run_id }}}}"
    kept = {"path": schedule.cache, "key": key}
    changes = shlex.join(["zoometer", "changes", "--cache", schedule.cache, "--format", "md"])
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v4"},
        {"uses": "actions/setup-python@v5", "with": {"python-version": "3.12"}},
        {"run": f"pip install {_requirement(schedule.folder)}"},
        {"uses": "actions/cache/restore@v4", "with": {**kept, "restore-keys": f"{schedule.name}-"}},
        {"name": "Refresh; models that cannot be counted are no alarm", "run": _without_alarm(refresh)},
        {"if": "always()", "run": f'{changes} >> "$GITHUB_STEP_SUMMARY"'},
        {"if": "always()", "uses": "actions/cache/save@v4", "with": kept},
    ]
    workflow = {
        "name": schedule.name,
        "on": {"schedule": [{"cron": f"{schedule.minute} {schedule.hour} * * *"}], "workflow_dispatch": {}},
        "permissions": {"contents": "read"},
        "concurrency": {"group": schedule.name, "cancel-in-progress": False},
        "jobs": {"refresh": {"runs-on": "ubuntu-latest", "timeout-minutes": 180, "steps": steps}},
    }
    return f"# .github/workflows/{schedule.name}.yaml\n" + _dump(workflow)


def kubernetes_manifest(schedule: Schedule, config_text: str) -> str:
    """The configuration, a volume for the cache, and the job. Its times are the cluster's."""
    labels = {"app.kubernetes.io/name": "zoometer", "app.kubernetes.io/instance": schedule.name}
    file = Path(schedule.config).name
    command = shlex.join(["zoometer", "refresh", f"/config/{file}", *schedule.arguments(wait=True)[2:]])
    install = "" if schedule.image else f"pip install --quiet zoometer=={metadata.version('zoometer')} && "
    container = {
        "name": "refresh",
        "image": schedule.image or _IMAGE,
        "command": ["sh", "-c", f"{install}{_without_alarm(command)}"],
        "workingDir": _WORK,
        "resources": {"requests": {"cpu": "2", "memory": "6Gi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/config", "readOnly": True}, *_mounts(schedule)],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": schedule.name}},
            {"name": "work", "persistentVolumeClaim": {"claimName": schedule.name}},
        ],
    }
    spec = {
        "schedule": f"{schedule.minute} {schedule.hour} * * *",
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"spec": {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": pod}}},
    }
    named = {"name": schedule.name, "labels": labels}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    documents = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {file: config_text}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named, "spec": claim},
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": named, "spec": spec},
    ]
    return "---\n".join(map(_dump, documents))


def program() -> str:
    """The command `zoometer` of this installation."""
    beside = Path(sysconfig.get_path("scripts")) / "zoometer"
    return str(beside) if beside.exists() else shutil.which("zoometer") or "zoometer"


def _without_alarm(command: str) -> str:
    """The command for a shell, in which models that cannot be counted are no failure."""
    return f"{command} || test $? -eq {ExitCode.MODELS_FAILED.value}"


def _mounts(schedule: Schedule) -> list[Mapping[str, Any]]:
    """Where the volume appears: in the working folder, and at the cache's own path where that is elsewhere."""
    mounts: list[Mapping[str, Any]] = [{"name": "work", "mountPath": _WORK}]
    if PurePosixPath(schedule.cache).is_absolute():
        mounts.append({"name": "work", "mountPath": schedule.cache.rstrip("/"), "subPath": "cache"})
    return mounts


def _requirement(folder: Path) -> str:
    """What a workflow installs: the checkout, where it is zoometer's own, and otherwise this version."""
    project = folder / "pyproject.toml"
    is_own = project.is_file() and re.search(r'^name = "zoometer"$', project.read_text(encoding="utf-8"), re.MULTILINE)
    return "." if is_own else f"zoometer=={metadata.version('zoometer')}"


def _systemd_escaped(text: str) -> str:
    return text.replace("%", "%%")


def _systemd_quoted(argument: str) -> str:
    escaped = _systemd_escaped(argument).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s'\";]", argument) or not argument else escaped


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and lists indented under their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def _dump(document: Mapping[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
