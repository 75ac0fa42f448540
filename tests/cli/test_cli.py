"""The frame of the command: help, errors and exit codes, versions, init."""

from __future__ import annotations

import ast
import errno
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer
from typer.testing import CliRunner, Result

from reports import cli
from reports.cli import verbs as cli_verbs
from reports.cli.common import opening, output
from reports.cli.common.errors import ExitCode, end_in_words, explain_refusal, split_at
from reports.cli.common.help import heading
from reports.cli.common.options import BUDGET, COUNTING, DEVICE_RUN
from zoo.errors import ZooError

VERBS = tuple(
    "run count init report list show compare select plot check devices estimate schema measure calibrate validate-speed audit refresh changes schedule version".split()
)


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), prog_name="zoometer", env={"COLUMNS": "80"})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def raising() -> Iterator[list[BaseException]]:
    """A verb `fail` that raises what the list holds."""
    errors: list[BaseException] = []

    def fail() -> None:
        """Raise."""
        raise errors[0]

    cli.app.command("fail")(fail)
    yield errors
    cli.app.registered_commands.pop()


def test_every_verb_is_tested_for_its_help() -> None:
    groups = {"speeds", "cache"}  # each has verbs of its own, tested with it
    assert set(cli_verbs.VERBS) - groups == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_help_fits_80_columns_and_ends_with_examples(verb: str, flag: str) -> None:
    result = zoometer(verb, flag)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert f"\n Examples:\n\n   zoometer {verb}" in result.stdout


def test_the_overview_names_verbs_and_exit_codes() -> None:
    result = zoometer("--help")
    assert all(f" {verb} " in result.stdout for verb in VERBS)
    assert all(f"\n {code.value:3}  " in result.stdout for code in ExitCode)


def test_no_verb_gives_the_overview() -> None:
    assert "Exit codes:" in zoometer().output


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ZooError("Something is wrong. Do this."), 2, "error: Something is wrong. Do this.\n"),
        (OSError(errno.ENOSPC, "full", "cache/x"), 2, "error: No space is left on the disk: 'cache/x'. Free some space and run"),
        (PermissionError(errno.EACCES, "no", "out"), 2, "error: Permission is denied: 'out'. Choose a folder you may write to"),
        (OSError(errno.EROFS, "ro", "/x"), 2, "error: The file system is read-only: '/x'. Choose a folder on another one"),
        (KeyboardInterrupt(), 130, "error: Interrupted. What was counted is kept; the same command goes on from there.\n"),
        (ValueError("odd"), 1, "error: zoometer met something it did not expect: ValueError: odd. Run again with --debug"),
        (RuntimeError(), 1, "error: zoometer met something it did not expect: RuntimeError. Run again"),
        (TimeoutError(errno.ETIMEDOUT, "late"), 1, "TimeoutError: [Errno"),
        (typer.Exit(3), 3, ""),
    ],
)
def test_errors_end_as_one_line_and_a_code(raising: list[BaseException], error: BaseException, code: int, said: str) -> None:
    raising.append(error)
    result = zoometer("fail")
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") <= 1


@pytest.mark.parametrize("arguments", [("--debug", "fail"), ("fail", "--debug")])
@pytest.mark.parametrize(("error", "code"), [(ZooError("wrong"), 2), (ValueError("odd"), 1)])
def test_debug_shows_the_traceback_wherever_it_stands(
    raising: list[BaseException], arguments: tuple[str, ...], error: Exception, code: int
) -> None:
    raising.append(error)
    result = zoometer(*arguments)
    assert result.exit_code == code
    assert "Traceback (most recent call last)" in result.stderr
    assert "Run again with --debug" not in result.stderr


@pytest.mark.parametrize("out", ["loop/out", "x" * 300, "file/out", "file"])
def test_a_path_that_cannot_be_is_a_sentence(raising: list[BaseException], here: Path, out: str) -> None:
    (here / "loop").symlink_to("loop")
    (here / "file").write_text("")
    with pytest.raises(OSError, match=r".") as caught:
        (here / out).mkdir(parents=True)
    raising.append(caught.value)
    result = zoometer("fail")
    assert result.exit_code == 2
    assert "Choose " in result.stderr


def test_a_long_path_is_not_quoted_whole(raising: list[BaseException]) -> None:
    raising.append(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 100_000))
    result = zoometer("fail")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: A name is too long: 'xxxx")
    assert len(result.stderr) < 1_000


def test_a_closed_pipe_is_left_to_typer() -> None:
    with pytest.raises(BrokenPipeError), end_in_words(debug=False):
        raise BrokenPipeError(errno.EPIPE, "closed")


def test_other_errors_of_the_system_are_not_explained_away() -> None:
    assert explain_refusal(OSError(errno.EINVAL, "odd")) is None


@pytest.mark.parametrize(("args", "parts"), [("a -- b --", ("a", "--", "b --")), ("a b", ("a b", "", "")), ("", ("", "", ""))])
def test_arguments_are_split_at_the_first_separator(args: str, parts: tuple[str, str, str]) -> None:
    assert split_at(args.split(), "--") == tuple(part.split() for part in parts)


@pytest.mark.parametrize(
    ("arguments", "said"), [(["runn"], "runn"), (["run"], "CONFIG"), (["run", "x", "--workers", "0"], "--workers")]
)
def test_a_wrong_command_line_is_the_users_to_correct(arguments: list[str], said: str) -> None:
    result = zoometer(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_version_is_one_line() -> None:
    result = zoometer("--version")
    assert result.exit_code == 0
    assert result.stdout.split()[0] == "zoometer"
    assert result.stdout.count("\n") == 1


def test_version_names_what_a_count_depends_on() -> None:
    names = [line.split()[0] for line in zoometer("version").stdout.splitlines()]
    assert names == ["zoometer", "python", "torch", "torchvision", "timm", "pandas", "pyarrow"]


def test_init_writes_the_starter_and_says_what_comes_next(here: Path, repository: Path) -> None:
    result = zoometer("init")
    assert result.stdout == "Wrote zoometer.yaml. Edit it if you like, then: zoometer run zoometer.yaml\n"
    assert (here / "zoometer.yaml").read_text() == (repository / "configs" / "default.yaml").read_text()


def test_init_makes_the_folder(here: Path) -> None:
    assert zoometer("init", "configs/mine.yaml").exit_code == 0
    assert (here / "configs" / "mine.yaml").is_file()


def test_init_writes_over_nothing_unless_forced(here: Path) -> None:
    (here / "zoometer.yaml").write_text("mine")
    refused = zoometer("init")
    assert refused.exit_code == 2
    assert "'zoometer.yaml' exists already. Choose another name, or write over it with --force." in refused.stderr
    assert (here / "zoometer.yaml").read_text() == "mine"
    assert zoometer("init", "--force").exit_code == 0
    assert (here / "zoometer.yaml").read_text() != "mine"


def test_init_into_a_folder_asks_for_a_name(here: Path) -> None:
    (here / "configs").mkdir()
    result = zoometer("init", "configs")
    assert result.exit_code == 2
    assert "Name the file to write: zoometer init configs/zoometer.yaml" in result.stderr


def test_init_behind_a_file_says_that_it_cannot_be_written(here: Path) -> None:
    (here / "file").write_text("")
    result = zoometer("init", "file/x.yaml")
    assert result.exit_code == 2
    assert "file/x.yaml cannot be written" in result.stderr


def test_main_is_the_installed_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["zoometer", "--version"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == os.EX_OK
    assert capsys.readouterr().out.startswith("zoometer ")


@pytest.mark.parametrize("arguments", [["list", "--" + "x" * 100_000], ["x" * 100_000]])
def test_a_long_argument_is_not_quoted_whole(arguments: list[str]) -> None:
    result = zoometer(*arguments)
    assert result.exit_code == 2
    assert len(result.stderr) < 3_000
    assert "xxxx" in result.stderr


def test_the_overview_imports_no_verb_and_costs_little_more_than_typer(repository: Path) -> None:
    code = "import contextlib, sys, reports.cli\nwith contextlib.suppress(SystemExit): reports.cli.main()"
    listing = f"{code}\nprint([name for name in sys.modules if name.startswith(('reports.', 'zoo.', 'rich'))], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", listing, "--help"], cwd=repository, capture_output=True, text=True, check=True)
    allowed = {"reports.cli", "zoo.errors", "zoo.addresses"}
    loaded = {name for name in ast.literal_eval(done.stderr) if not name.startswith(("reports.cli.verbs", "reports.cli.common"))}
    assert loaded <= allowed


@pytest.mark.parametrize("line", [("--quiet", "hum"), ("hum", "-q"), ("hum", "--verbose"), ("-v", "hum"), ("hum",)])
def test_quiet_and_verbose_hold_for_every_verb_wherever_they_stand(line: tuple[str, ...]) -> None:
    def hum() -> None:
        """Say what there is to say."""
        output.note("a remark")
        output.detail("a detail")
        typer.echo("the answer")

    cli.app.command("hum")(hum)
    try:
        result = zoometer(*line)
    finally:
        cli.app.registered_commands.pop()
    assert result.stdout == "the answer\n"
    wanted = {"--quiet": [], "-q": [], "--verbose": ["a remark", "a detail"], "-v": ["a remark", "a detail"]}
    assert result.stderr.splitlines() == next((said for flag, said in wanted.items() if flag in line), ["a remark"])


def test_the_cache_and_the_folder_of_reports_come_from_option_environment_and_configuration_in_that_order(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "c.yaml").write_text("cache: configured\nout: written\nzoos: {timm: }\n")
    assert opening.open_workspace(None, None).cache == "cache/"
    assert opening.open_workspace(None, Path("c.yaml")).cache == "configured"
    assert opening.read_config(Path("c.yaml"), "named", Path("there")).out == "there"
    assert opening.read_config(Path("c.yaml"), "named").refresh_settings().cache == "named"
    monkeypatch.setenv("ZOOMETER_CACHE", "surroundings")
    assert "There is no cache 'surroundings'" in zoometer("cache", "info").stderr
    assert "There is no cache 'surroundings'" in zoometer("cache", "info", "--config", "c.yaml").stderr
    assert "There is no cache 'named'" in zoometer("cache", "info", "--cache", "named").stderr


@pytest.mark.parametrize(("verb", "variables"), [("run", ["ZOOMETER_CACHE", "ZOOMETER_OUT"]), ("select", ["ZOOMETER_CACHE"])])
def test_help_names_the_environment_variables(verb: str, variables: list[str]) -> None:
    assert all(name in zoometer(verb, "--help").stdout for name in variables)


def test_a_name_that_is_no_verb_gets_the_nearest() -> None:
    result = zoometer("slect")
    assert result.exit_code == 2
    assert "There is no verb 'slect'. Did you mean select?" in result.stderr


@pytest.mark.parametrize("group", ["speeds", "cache"])
def test_a_group_without_a_verb_lists_its_verbs(group: str) -> None:
    result = zoometer(group)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: zoometer {group} VERB")
    assert "\\n" not in result.stdout


@pytest.mark.parametrize(("surroundings", "is_bold"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_headings_are_bold_in_a_terminal_that_may_be_styled(
    monkeypatch: pytest.MonkeyPatch, surroundings: dict[str, str], is_bold: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert ("\x1b[1m" in heading("Count")) is is_bold
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert heading("Count") == "Count:"


def test_every_verb_that_shares_options_has_them_all() -> None:
    for verb, groups in {
        "select": [BUDGET, DEVICE_RUN],
        "plot": [BUDGET, DEVICE_RUN],
        "show": [DEVICE_RUN],
        "run": [COUNTING],
    }.items():
        shown = zoometer(verb, "--help").stdout
        options = [metadata.default for group in groups for metadata in (get_args(one)[1] for one in group.values())]
        assert [option for option in options if option.partition("/")[0] not in shown] == []
