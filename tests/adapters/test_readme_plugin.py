"""The zoo that the README of the adapters adds: installed as a package of its own, and used like any other."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reports import cli
from zoo.adapters import registry
from zoo.cache.store import Store

CLASSES = 1000


def macs_of(width: int, side: int = 224) -> int:
    stem, half = (side // 4) ** 2, (side // 8) ** 2
    return stem * width * 3 * 4 * 4 + stem * width * width * 9 + half * 2 * width * width * 4 + 2 * width * CLASSES


def code_of(section: str, language: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 1, f"the section has {len(blocks)} blocks of {language}"
    return str(blocks[0])


@pytest.fixture(scope="module")
def section(repository: Path) -> str:
    """The part of the README under its heading."""
    text = (repository / "zoo" / "adapters" / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^## Add a zoo\n(.*)", text, re.DOTALL | re.MULTILINE)
    assert found, "zoo/adapters/README.md has no section 'Add a zoo'"
    return found[1]


@pytest.fixture(scope="module")
def site(section: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder into which pip has installed the README's package, known to this process and to its workers."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: pip install -e '.[test]'")
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "acme_zoo.py").write_text(code_of(section, "python"), encoding="utf-8")
    (source / "pyproject.toml").write_text(code_of(section, "toml"), encoding="utf-8")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        registry._entry_points.cache_clear()
        yield site
    registry._entry_points.cache_clear()


def zoometer(*arguments: str) -> Result:
    result = CliRunner().invoke(cli.app, arguments, prog_name="zoometer")
    assert result.exit_code == 0, result.output
    return result


def test_the_file_has_less_than_60_lines(section: str) -> None:
    assert len(code_of(section, "python").splitlines()) < 60


def test_the_zoo_is_listed_with_its_weights(site: Path) -> None:
    listed = json.loads(zoometer("list", "--zoo", "acme", "--format", "json").stdout)
    assert [(a["name"], [w["license"] for w in a["weights"]]) for a in listed] == [
        ("acme_small", ["mit"]),
        ("acme_large", ["mit"]),
    ]


def test_a_model_of_it_is_counted(site: Path) -> None:
    (cost,) = json.loads(zoometer("count", "acme/acme_small", "--format", "json").stdout)
    assert (cost["macs"], cost["status"]) == (macs_of(16), "exact")


def test_a_configuration_selects_it(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("acme.yaml").write_text("zoos: {acme: {inputs: [native, 64, 100]}}\nreports: []\nexecution: {workers: 1}\n")
    zoometer("run", "acme.yaml", "--quiet")
    costs = Store("cache").costs().set_index(["arch", "input"])
    for arch, width in (("acme_small", 16), ("acme_large", 64)):
        assert costs.loc[(arch, "3x224x224"), "macs"] == macs_of(width)
        assert costs.loc[(arch, "3x64x64"), "macs"] == macs_of(width, 64)
        assert costs.loc[(arch, "3x100x100"), "reason"] == "input: input must be a multiple of 8"


def test_it_conforms_by_the_test_that_the_readme_shows(section: str, site: Path, tmp_path: Path) -> None:
    file = tmp_path / "shown_test.py"
    file.write_text(code_of(section, "py"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("shown_test", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.test_acme_conforms()
