"""`import reports`: the verbs as calls. They answer what the command answers, and notebooks show it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzz_commands import Folder, without_work
from fuzzing import run_command
from typer.testing import CliRunner

import reports
from reports import cli
from zoo.errors import CacheError, ConfigError, InputError

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = Folder(tmp_path_factory.mktemp("reports"))
    with pytest.MonkeyPatch.context() as patch, folder.case() as here:
        without_work(patch)
        run_command("refresh", "zoometer.yaml", "--quiet")
        yield here


def test_the_environment_names_the_cache_as_for_the_command(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache,) = (path.parent for path in here.rglob("costs"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CacheError):
        reports.read_leaderboard()
    monkeypatch.setenv("ZOOMETER_CACHE", str(cache))
    assert len(reports.read_leaderboard())
    assert reports.select(params="20M").pick == reports.select(cache=str(cache), params="20M").pick


def printed(*arguments: str) -> Any:
    return json.loads(CliRunner().invoke(cli.app, [*arguments, "--format", "json", "--quiet"]).stdout)


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ({"params": "20M"}, ("--max-params", "20M")),
        ({"macs": "5GMACs", "accuracy": 75, "pareto": "params"}, ("--max-gmacs", "5", "--min-top1", "75", "--pareto", "params")),
        ({"params": "1K"}, ("--max-params", "1K")),
        ({"config": "zoometer.yaml", "budget": "phone"}, ("zoometer.yaml", "--budget", "phone")),
    ],
)
def test_select_answers_as_the_command(here: Path, keys: dict[str, Any], options: tuple[str, ...]) -> None:
    choice = reports.select(keys.pop("config", None), **keys)
    answer = printed("select", *options)
    assert json.loads(json.dumps(choice.to_dict())) == answer
    assert choice.pick == choice.to_dict()["pick"]
    assert choice.frontier["model"].tolist() == [row["model"] for row in answer["frontier"]]
    assert len(choice.candidates) == sum(answer["candidates"].values())
    assert list(choice.reasons) == answer["reasons"]


def test_a_notebook_shows_the_pick_the_frontier_and_the_chart(here: Path) -> None:
    choice = reports.select(macs="5GMACs")
    page = choice._repr_html_()
    assert choice.pick is not None
    assert choice.pick["model"] in page
    assert choice.pick["model"] in str(choice)
    assert "Of 3 candidates: 3 fit" in page
    assert choice.plot()._repr_png_().startswith(PNG)  # type: ignore[attr-defined]
    assert choice.plot("params", dark=True).axes[0].get_xlabel() != choice.plot("macs").axes[0].get_xlabel()
    assert "<p" in reports.select(params="1K")._repr_html_()  # nothing fits


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"param": "5M"}, "param: there is no such key. Did you mean params"),
        ({"params": "5X"}, "params: '5X' is not a number"),
        ({"budget": "phone"}, "needs the configuration"),
        ({"speeds": ["speed.csv"]}, "speed is of no use without a device"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_call(here: Path, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        reports.select(**keys)


def test_a_picture_of_an_unknown_cost_names_the_known_ones(here: Path) -> None:
    with pytest.raises(ConfigError, match=r"cost: 'param' is not a cost\. Did you mean params"):
        reports.select(params="20M").plot("param")


def test_compare_answers_as_the_command(here: Path) -> None:
    names = ("torchvision/resnet50", "torchvision/resnet18")
    compared = reports.compare(*names, device="rtx-4090", dtype="fp16")
    assert json.loads(json.dumps(compared.to_dict())) == printed("compare", *names, "--device", "rtx-4090", "--dtype", "fp16")
    assert compared.to_frame()["params"].tolist() == [25_557_032, 11_689_512]
    assert all(text in compared._repr_html_() for text in ("25.56 M", "11.69 M"))
    assert names[0].partition("/")[2] in str(compared)
    with pytest.raises(InputError, match="Name two models or more"):
        reports.compare(names[0])


def test_run_and_report_write_the_files_and_give_the_leaderboard(here: Path) -> None:
    done = reports.run("zoometer.yaml", out=here / "elsewhere", progress=False)
    assert [path.relative_to(here).as_posix() for path in done.files] == ["elsewhere/leaderboard.md"]
    assert done.leaderboard is not None
    assert set(done.leaderboard["arch"]) == {"resnet50", "resnet18"} == set(reports.read_leaderboard()["arch"])
    again = reports.report("zoometer.yaml", formats=["csv", "json"], out=here / "again")
    assert sorted(path.suffix for path in again.files) == [".csv", ".json"]
    assert str(again.files[0]) in again._repr_html_()
    assert again.failing == 0


def test_only_what_is_documented_is_offered() -> None:
    assert all(name in reports.__all__ and getattr(reports, name).__doc__ for name in reports.__all__)
    with pytest.raises(AttributeError, match="no attribute 'selects'"):
        _ = reports.selects
