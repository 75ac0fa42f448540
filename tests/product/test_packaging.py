"""What a wheel holds: everything the installed command needs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

SNAPSHOT = "zoo/accuracy/timm_results.parquet"


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel of this checkout, built without the network: the build backend is one of the test requirements."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: pip install -e '.[test]'")
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-q",
        "-w",
        str(folder),
        ".",
    ]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile, repository: Path) -> None:
    files = {
        str(path.relative_to(repository))
        for package in ("zoo", "reports")
        for path in (repository / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert not files - set(wheel.namelist())
    assert {"zoo/py.typed", "reports/py.typed"} <= files


def test_the_starter_configuration_is_the_default_one(wheel: zipfile.ZipFile, repository: Path) -> None:
    assert wheel.read("reports/cli/examples/default.yaml") == (repository / "configs" / "default.yaml").read_bytes()


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"zoo", "reports", "zoometer"}
    data = [name for name in wheel.namelist() if name.endswith((".pyc", ".csv", ".parquet"))]
    published = [f"zoo/adapters/libraries/open_clip_{name}.csv" for name in ("profile", "zero_shot")]
    assert sorted(data) == [SNAPSHOT, *published, "zoo/published/networks.csv", "zoo/published/published.parquet"]


def test_the_published_results_come_with_it(wheel: zipfile.ZipFile, repository: Path, tmp_path: Path) -> None:
    assert wheel.getinfo(SNAPSHOT).compress_size < 1_000_000
    wheel.extractall(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from zoo.accuracy import snapshot as s; print(s.__file__); print(len(s.snapshot_tables()[0].read()))"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    file, rows = done.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    assert int(rows) > 1500


def test_command_and_zoos_are_registered(wheel: zipfile.ZipFile, repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    points = wheel.read(name).decode()
    assert f"zoometer = {project['scripts']['zoometer']}" in points
    for zoo, target in project["entry-points"]["zoometer.zoos"].items():
        assert f"{zoo} = {target}" in points
        module = target.split(":")[0].replace(".", "/")
        assert {f"{module}.py", f"{module}/__init__.py"} & set(wheel.namelist())
