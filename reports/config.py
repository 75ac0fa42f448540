"""The configuration file: what is counted, where it is kept and what is rendered.

Every key is declared here with its meaning and default; an unknown one is an error. All mistakes of a file are reported at once,
each with its line. Relative paths are relative to the folder the command runs in, not to the file's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from reports import yaml_file
from zoo.batch.settings import Execution, RefreshSettings, ZooSettings
from zoo.errors import ConfigError, InputError, did_you_mean
from zoo.records import Selection, Task, parse_input

FORMATS = ("html", "xlsx", "csv", "json", "md", "parquet")
"""What a report can be written as; also the suffix of its file."""

_BACKENDS = ("local",)

# What a value has to be, in a reader's words, by pydantic's name of the mistake.
_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_type": "text",
}
_MISSING: dict[yaml_file.Location, str] = {("zoos",): ' Name what to count, for example: zoos: {timm: {include: ["resnet*"]}}'}


def installed_zoos() -> list[str]:
    """Names of the zoos that can be counted here, read without importing one."""
    from zoo.adapters.registry import zoo_names

    return zoo_names()


def _one_of(what: str, choices: Callable[[], list[str]]) -> AfterValidator:
    def check(name: str) -> str:
        known = choices()
        if name not in known:
            raise ValueError(f"'{name}' is not a {what}.{did_you_mean(name, known)}")
        return name

    return AfterValidator(check)


def _as_list(value: object) -> object:
    """A single value where a list is meant: `include: resnet*`."""
    return [value] if isinstance(value, str | int) else value


def _check_size(value: object) -> str:
    """`native`, or a size or shape; YAML reads `224` as a number."""
    text = str(value).strip().lower()
    if text == "native":
        return text
    try:
        parse_input(text)
    except InputError:
        raise ValueError(f"'{value}' is not an input size. Write native, 224, 384x512 (height x width) or 3x224x224.") from None
    return text


def _expand_home(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~") else path


Patterns = Annotated[list[str], BeforeValidator(_as_list)]
Sizes = Annotated[list[Annotated[str, BeforeValidator(_check_size)]], BeforeValidator(_as_list), Field(min_length=1)]
Location = Annotated[str, Field(min_length=1), AfterValidator(_expand_home)]
ZooName = Annotated[str, _one_of("zoo that is installed", installed_zoos)]
TaskName = Annotated[str, _one_of("task", lambda: [task.value for task in Task])]
Format = Annotated[str, _one_of("report format", lambda: list(FORMATS))]
Backend = Annotated[str, _one_of("backend", lambda: list(_BACKENDS))]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ZooSection(_Section):
    """Which architectures of one zoo are counted. Patterns are shell globs on the architecture's name."""

    include: Patterns = ["*"]
    exclude: Patterns = []
    tasks: Annotated[list[TaskName], BeforeValidator(_as_list)] = []  # empty: every task
    pretrained_only: bool = False
    inputs: Sizes | None = None  # None: those of the whole file


class TimmAccuracySection(_Section):
    """Where timm's published results come from."""

    results: Location | None = None  # a folder, file or address; None: the tables of the installed release


class AccuracySection(_Section):
    """Where published accuracy comes from. torchvision's is part of its weights and needs no source."""

    timm: TimmAccuracySection = TimmAccuracySection()
    fetch: bool = True  # whether tables may be downloaded


class ExecutionSection(_Section):
    """How the counting is done."""

    backend: Backend = "local"
    workers: Annotated[int, Field(ge=1)] | None = None  # None: one a core
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    memory_gb: Annotated[float, Field(gt=0)] = 4.0


class ReportSection(_Section):
    """One report: its files are `<out>/<name>.<format>`."""

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$")] = "leaderboard"
    title: Annotated[str, Field(min_length=1)] = "Model-zoo leaderboard"
    formats: Annotated[list[Format], BeforeValidator(_as_list), Field(min_length=1)] = ["html", "xlsx"]


class Config(_Section):
    """A whole configuration file."""

    cache: Location = "cache/"
    out: Location = "out/"
    zoos: Annotated[dict[ZooName, Annotated[ZooSection, BeforeValidator(lambda v: v or {})]], Field(min_length=1)]
    inputs: Sizes = ["native"]
    accuracy: AccuracySection = AccuracySection()
    execution: ExecutionSection = ExecutionSection()
    reports: list[ReportSection] = [ReportSection()]

    @field_validator("reports")
    @classmethod
    def _names_are_unique(cls, reports: list[ReportSection]) -> list[ReportSection]:
        names = [report.name for report in reports]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two reports are called '{twice[0]}' and would overwrite each other.")
        return reports

    def refresh_settings(self) -> RefreshSettings:
        """What a refresh is asked to do; the part of this file that is about facts."""
        return RefreshSettings(
            cache=self.cache,
            zoos={name: self._zoo_settings(zoo) for name, zoo in self.zoos.items()},
            timm_results=self.accuracy.timm.results,
            fetch_accuracy=self.accuracy.fetch,
            execution=Execution(**self.execution.model_dump()),
        )

    def _zoo_settings(self, zoo: ZooSection) -> ZooSettings:
        selection = Selection(tuple(zoo.include), tuple(zoo.exclude), tuple(zoo.tasks), zoo.pretrained_only)
        return ZooSettings(selection, tuple(zoo.inputs or self.inputs))


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: if the file cannot be read, or is wrong; the message lists every mistake with its line.
    """
    document = yaml_file.read(Path(path))
    try:
        return Config.model_validate(document.content)
    except ValidationError as error:
        found = sorted(error.errors(include_url=False), key=lambda mistake: document.line(_location(mistake)))
        raise ConfigError(yaml_file.list_mistakes(path, [_explain(mistake, document) for mistake in found])) from None


def _location(mistake: Any) -> yaml_file.Location:
    """Where the mistake is; pydantic marks the key of a mapping, rather than its value, with an extra part."""
    return tuple(part for part in mistake["loc"] if part != "[key]")


def _explain(mistake: Any, document: yaml_file.Document) -> str:
    """One mistake that pydantic found: its line, its dotted key, and what to write instead."""
    location = _location(mistake)
    where = f"line {document.line(location)}: {yaml_file.dotted(location)}"
    match mistake["type"]:
        case "extra_forbidden":
            return f"{where} is not a known key.{did_you_mean(str(location[-1]), _keys_at(location[:-1]))}"
        case "missing":
            return f"{where} is missing.{_MISSING.get(location, '')}"
        case "value_error":
            return f"{where}: {mistake['ctx']['error']}"
        case "string_pattern_mismatch":
            return f"{where}: '{mistake['input']}' cannot be part of a file name. Use letters, digits, '.', '_' and '-'."
        case "too_short" | "string_too_short":
            return f"{where} is empty."
        case kind:
            wanted = _WANTED.get(kind) or mistake["msg"].removeprefix("Input should be ")
            return f"{where} must be {wanted}, not {yaml_file.as_written(mistake['input'])}."


def _keys_at(location: yaml_file.Location) -> list[str]:
    """The keys a section may have."""
    match location:
        case ():
            section: type[BaseModel] = Config
        case ("zoos", _):
            section = ZooSection
        case ("reports", _):
            section = ReportSection
        case ("accuracy", "timm"):
            section = TimmAccuracySection
        case ("accuracy",):
            section = AccuracySection
        case _:
            section = ExecutionSection
    return list(section.model_fields)
