"""The configuration file: what is counted, where it is kept and what is rendered.

Every key is declared here with its meaning and default; an unknown one is an error. All mistakes of a file are reported at once,
each with its line. Relative paths are relative to the folder the command runs in, not to the file's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reports.config import yaml_file
from reports.config.budgets import BudgetSection
from reports.config.declared_models import ModelSection
from reports.config.measure_section import MeasureSection
from reports.config.run_section import RunSection
from reports.config.sections import STRICT, Modes, Patterns, Sizes, TaskName, VariantName, as_list, one_of
from zoo.addresses import Address
from zoo.errors import AuditError, ConfigError, did_you_mean
from zoo.records import DeclaredModel, Selection, Variant
from zoo.run_config import TRACED, RunConfig, parse_trace_mode
from zoo.settings import Execution, RefreshSettings, ZooSettings

FORMATS = ("html", "xlsx", "csv", "json", "md", "parquet")
"""What a report can be written as; also the suffix of its file."""

_BACKENDS = ("local", "dask")

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


def _expand_home(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~") else path


def _check_zoo(name: str, info: ValidationInfo) -> str:
    """A zoo that is installed, or one that the file declares."""
    installed, declared = installed_zoos(), (info.context or {}).get("declared", ())
    if name in declared:
        if name in installed:
            raise ValueError(f"'{name}' is an installed zoo. Give the zoo of your own models another name.")
        if not re.fullmatch(r"\w[\w-]*", name):
            raise ValueError(f"'{name}' cannot name a zoo. Use letters, digits, '_' and '-'.")
    elif name not in installed:
        own = (
            ""
            if (near := did_you_mean(name, installed)).startswith(" Did")
            else " Models of your own are declared with models: [...]."
        )
        raise ValueError(f"'{name}' is not a zoo that is installed.{near}{own}")
    return name


Location = Annotated[str, Field(min_length=1), AfterValidator(_expand_home)]
ZooName = Annotated[str, AfterValidator(_check_zoo)]
Format = Annotated[str, one_of("report format", lambda: list(FORMATS))]
Backend = Annotated[str, one_of("backend", lambda: list(_BACKENDS))]


class _Section(BaseModel):
    model_config = STRICT


class _Axes(_Section):
    """In which forms architectures are counted. What a zoo leaves out is that of the whole file."""

    classes: Annotated[int, Field(ge=0)] | None = None  # outputs of a head for your own task; None: as trained
    in_channels: Annotated[int, Field(ge=1)] | None = None  # of the image; None: as trained
    batch: Annotated[list[Annotated[int, Field(ge=1)]], BeforeValidator(as_list), Field(min_length=1)] | None = None  # None: 1
    variants: Annotated[list[VariantName], BeforeValidator(as_list), Field(min_length=1)] | None = None  # None: base
    features_only: bool | None = None  # the same as variants: [features]

    @model_validator(mode="after")
    def _variants_are_said_once(self) -> Self:
        if self.features_only and self.variants:
            raise ValueError("features_only: true stands for variants: [features]; write one of them.")
        return self


class ZooSection(_Axes):
    """Which architectures of one zoo are counted. Patterns are shell globs on the architecture's name."""

    include: Patterns = ["*"]
    exclude: Patterns = []
    tasks: Annotated[list[TaskName], BeforeValidator(as_list)] = []  # empty: every task
    pretrained_only: bool = False
    inputs: Sizes | None = None  # None: those of the whole file; of a declared zoo, those of each model
    inputs_for: dict[str, Sizes] = {}  # by glob: inputs of the architectures it matches; the first match decides
    models: Annotated[list[ModelSection], Field(min_length=1)] | None = None  # makes this a zoo of your own

    @model_validator(mode="after")
    def _kwargs_decide_on_declared_models(self) -> Self:
        for key in ("classes", "in_channels", "variants", "features_only"):
            if self.models and getattr(self, key) is not None:
                raise ValueError(f"{key} cannot be applied to models of your own; say it in their kwargs.")
        return self


class TimmAccuracySection(_Section):
    """Where timm's published results come from."""

    results: Location | None = None  # a folder, file or address; None: the tables of the installed release


class AccuracySection(_Section):
    """Where published accuracy comes from. torchvision's is part of its weights and needs no source."""

    timm: TimmAccuracySection = TimmAccuracySection()
    fetch: bool = True  # whether tables may be downloaded
    max_age_days: Annotated[float, Field(ge=0)] = 7.0  # after which a table that can change at its source is fetched again


class ExecutionSection(_Section):
    """How the counting is done."""

    backend: Backend = "local"
    workers: Annotated[int, Field(ge=1)] | None = None  # None: one a core; of a cluster: as many as its class starts
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    memory_gb: Annotated[float, Field(gt=0)] = 4.0
    address: Annotated[str, Field(min_length=1)] | None = None  # of Dask's scheduler; None: a cluster is started for the run
    cluster: Annotated[str, Field(min_length=1)] | None = None  # its class, such as dask_jobqueue.SLURMCluster; None: local
    arguments: dict[str, Any] = {}  # of that class

    @model_validator(mode="after")
    def _keys_belong_together(self) -> Self:
        given = [key for key in ("address", "cluster", "arguments") if getattr(self, key)]
        if given and self.backend != "dask":
            raise ValueError(f"{given[0]} belongs to backend: dask. Add that, or leave {given[0]} out.")
        if self.address and len(given) > 1:
            raise ValueError(f"address names a cluster that runs, {given[1]} one to be started; give one of them.")
        return self

    def settings(self) -> Execution:
        """The same for a refresh."""
        return Execution(**self.model_dump() | {"cluster": self.cluster or "local"})


def _check_mapping(text: str) -> str:
    from reports.audit.published_table import ColumnMapping  # slow to import, and most configurations have no audit

    try:
        ColumnMapping.parse(text)
    except AuditError as error:
        raise ValueError(str(error)) from None
    return text


class AuditSection(_Section):
    """A published cost table that the report holds against the counts, as `zoometer audit` does."""

    zoo: Annotated[str, one_of("zoo that is installed", installed_zoos)]  # whose models the table is about
    against: Location | None = None  # a CSV table; None: what the zoo itself publishes
    columns: Annotated[list[Annotated[str, AfterValidator(_check_mapping)]], BeforeValidator(as_list)] = []  # macs=GFLOPs:G


class ReportSection(_Section):
    """One report: its files are `<out>/<name>.<format>`."""

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$")] = "leaderboard"
    title: Annotated[str, Field(min_length=1)] = "Model-zoo leaderboard"
    formats: Annotated[list[Format], BeforeValidator(as_list), Field(min_length=1)] = ["html", "xlsx"]


class Config(_Axes):
    """A whole configuration file."""

    storage: dict[str, Any] = {}  # options of the file system at the cache's address, as fsspec names them; never shown
    cache: Location = "cache/"
    out: Location = "out/"
    zoos: Annotated[dict[ZooName, Annotated[ZooSection, BeforeValidator(lambda v: v or {})]], Field(min_length=1)]
    inputs: Sizes = ["native"]
    traces: Modes = []  # in which modes what is counted is traced as well, for estimates of speed: amp-fast-norm/nhwc
    accuracy: AccuracySection = AccuracySection()
    execution: ExecutionSection = ExecutionSection()
    budgets: dict[Annotated[str, Field(min_length=1)], BudgetSection] = {}  # by name: zoometer select --budget NAME
    audit: list[AuditSection] = []  # published tables the report holds against the counts
    measure: MeasureSection = MeasureSection()  # how `zoometer measure` runs them on this machine
    devices: Location | None = None  # a file of devices of your own, beside those that come with zoometer
    speed: list[RunSection] = []  # devices, and how models run on them, whose latency the reports show
    reports: list[ReportSection] = [ReportSection()]

    @field_validator("cache")
    @classmethod
    def _cache_is_opened_with_its_options(cls, cache: str, info: ValidationInfo) -> str:
        return Address.of(cache, info.data.get("storage"))

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
            zoos={name: self._zoo_settings(name, zoo) for name, zoo in self.zoos.items()},
            timm_results=self.accuracy.timm.results,
            fetch_accuracy=self.accuracy.fetch,
            accuracy_max_age_days=self.accuracy.max_age_days,
            execution=self.execution.settings(),
            traces=tuple(dict.fromkeys([*map(parse_trace_mode, self.traces), *self._traces_of_speeds()])),
        )

    def _traces_of_speeds(self) -> Iterator[RunConfig]:
        """What speeds are estimated from: those of reports, and those that budgets speak of."""
        runs = [section.run() for section in self.speed]
        runs += [budget.run() for budget in self.budgets.values() if budget.device and budget.is_about_speed]
        return (run.for_trace() for run in runs if run.precision in TRACED)

    def declared_models(self) -> dict[str, tuple[DeclaredModel, ...]]:
        """The models of each zoo that this file declares."""
        return {name: tuple(model.declared() for model in zoo.models) for name, zoo in self.zoos.items() if zoo.models}

    def _zoo_settings(self, name: str, zoo: ZooSection) -> ZooSettings:
        models = self.declared_models().get(name, ())
        asked = (zoo,) if models else (zoo, self)
        return ZooSettings(
            selection=Selection(tuple(zoo.include), tuple(zoo.exclude), tuple(zoo.tasks), zoo.pretrained_only),
            inputs=tuple(zoo.inputs or (["native"] if models else self.inputs)),
            inputs_for=tuple((glob, tuple(sizes)) for glob, sizes in zoo.inputs_for.items()),
            classes=next((s.classes for s in asked if s.classes is not None), None),
            in_channels=next((s.in_channels for s in asked if s.in_channels is not None), None),
            batches=tuple(zoo.batch or self.batch or [1]),
            variants=_variants(asked),
            models=models,
        )


def _variants(sections: Iterable[_Axes]) -> tuple[str, ...]:
    """What the first section that says something says."""
    for section in sections:
        if section.features_only:
            return (Variant.FEATURES,)
        if section.variants or section.features_only is False:
            return tuple(section.variants or [Variant.BASE])
    return (Variant.BASE,)


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: if the file cannot be read, or is wrong; the message lists every mistake with its line.
    """
    document = yaml_file.read(Path(path))
    try:
        return Config.model_validate(document.content, context={"declared": _declared_names(document.content)})
    except ValidationError as error:
        found = sorted(error.errors(include_url=False), key=lambda mistake: document.line(_location(mistake)))
        raise ConfigError(yaml_file.list_mistakes(path, [_explain(mistake, document) for mistake in found])) from None


def _declared_names(content: dict[str, Any]) -> set[str]:
    """Names of the zoos that list models of their own."""
    zoos = content.get("zoos")
    return {name for name, zoo in zoos.items() if isinstance(zoo, dict) and "models" in zoo} if isinstance(zoos, dict) else set()


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
            if location[0] == "storage" or location[:2] == ("execution", "arguments"):
                return f"{where} must be {wanted}."  # what stands there may be a credential
            return f"{where} must be {wanted}, not {yaml_file.as_written(mistake['input'])}."


def _keys_at(location: yaml_file.Location) -> list[str]:
    """The keys a section may have."""
    for place, section in _SECTIONS:
        if len(place) == len(location) and all(key in (name, None) for key, name in zip(place, location, strict=True)):
            return list(section.model_fields)
    return []


_SECTIONS: tuple[tuple[tuple[str | None, ...], type[BaseModel]], ...] = (
    ((), Config),
    (("zoos", None), ZooSection),
    (("zoos", None, "models", None), ModelSection),
    (("accuracy",), AccuracySection),
    (("accuracy", "timm"), TimmAccuracySection),
    (("execution",), ExecutionSection),
    (("budgets", None), BudgetSection),
    (("measure",), MeasureSection),
    (("audit", None), AuditSection),
    (("speed", None), RunSection),
    (("reports", None), ReportSection),
)
"""What stands where; None is any name, or a place in a list."""
