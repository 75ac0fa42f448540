"""The main job as a user runs it: `zoometer run` with the default configuration, once for all tests that want it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from fakes_installed import environment
from filelock import FileLock
from paths import SHARED

CODE = "import sys; from reports.cli import main; main()"
RESULTS = SHARED / "data" / "timm"
"""timm's published tables, where they are at hand: the run must not need them, its figures are held against them."""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True)
class DefaultRun:
    """A folder with the cache and the reports of the default configuration."""

    folder: Path
    first: Ran

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def report(self, form: str) -> Path:
        return self.folder / "out" / f"leaderboard.{form}"

    def zoometer(self, *arguments: str) -> Ran:
        return zoometer(self.folder, *arguments)


def run_default_once(repository: Path, shared: Path) -> DefaultRun:
    """The same run for all processes that share a folder: the first one makes it, the others wait for it."""
    folder, result = shared / "default", shared / "default.json"
    with FileLock(shared / "default.lock"):
        if not result.exists():
            folder.mkdir()
            result.write_text(json.dumps(asdict(run_default(repository, folder).first)), encoding="utf-8")
    return DefaultRun(folder, Ran(**json.loads(result.read_text(encoding="utf-8"))))


def run_default(repository: Path, folder: Path) -> DefaultRun:
    """Runs it in an empty folder, as a new user without a network does."""
    config = yaml.safe_load((repository / "configs" / "default.yaml").read_text(encoding="utf-8"))
    config["reports"][0]["formats"] = ["html", "xlsx", "csv", "json", "md", "parquet"]
    (folder / "default.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return DefaultRun(folder, zoometer(folder, "run", "default.yaml"))


def zoometer(folder: Path, *arguments: str) -> Ran:
    """The command in a process of its own."""
    variables = environment(folder) | {"XDG_CACHE_HOME": str(folder / "downloads")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)
