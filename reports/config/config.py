"""The configuration: what is counted, where it is kept and what is rendered.

Every key is declared in this folder with its meaning and default. Relative paths are relative to the working directory, not to the
file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reports.config.budget_section import BudgetSection
from reports.config.field_types import (
    AnyNumberOf,
    Location,
    OneOrMore,
    PositiveInt,
    Section,
    Sizes,
    Text,
    TraceModes,
    Written,
    one_of,
)
from reports.config.measure_section import MeasureSection
from reports.config.run_section import RunSection
from reports.config.zoo_section import AxesSection, ZooName, ZooSection, installed_zoos
from zoo.addresses import Address
from zoo.records import DeclaredModel
from zoo.run_config import LAYOUTS, TRACED, Precision, RunConfig, parse_trace_mode
from zoo.settings import DEFAULT_CACHE, Execution, RefreshSettings

FORMATS = ("html", "xlsx", "csv", "json", "md", "parquet")
"""Formats of a report, also the suffixes of its files."""


_TRACED_BY_DEFAULT = (Precision.FP32, Precision.FP16, Precision.AMP)


_OR_EMPTY = Written(lambda inner: {"anyOf": [inner, {"type": "null"}]}, read=lambda value: value or {})
"""A section whose keys may all be left out: `timm:`."""


class TimmAccuracySection(Section):
    """Where timm's published results come from."""

    results: Location | None = None
    """A folder, file or address. Default: the tables of the installed release."""


class AccuracySection(Section):
    """Where published accuracy comes from. torchvision's is part of its weights and needs no source."""

    timm: TimmAccuracySection = TimmAccuracySection()
    """timm's result tables."""
    fetch: bool = True
    """Whether tables may be downloaded."""
    max_age_days: Annotated[float, Field(ge=0, le=36_500)] = 7.0
    """Days after which a table that can change at its source is fetched again."""


class ExecutionSection(Section):
    """How models are counted."""

    backend: Annotated[str, one_of("backend", lambda: ["local", "dask"])] = "local"
    """Processes of this machine, or a Dask cluster."""
    workers: PositiveInt | None = None
    """Processes that count. Default: one a core; of a cluster, as many as its class starts."""
    timeout_s: Annotated[float, Field(gt=0, le=1e7)] = 120.0
    """Seconds for one model at one input; longer is a failed row."""
    memory_gb: Annotated[float, Field(gt=0, le=1e6)] = 4.0
    """Memory of one worker; more is a failed row."""
    address: Text | None = None
    """Address of Dask's scheduler: tcp://host:8786. Default: a cluster is started for the run."""
    cluster: Text | None = None
    """The class of the cluster to start, such as dask_jobqueue.SLURMCluster. Default: local."""
    arguments: dict[str, Any] = {}
    """Arguments of that class: {cores: 8, memory: 32GB}."""

    @model_validator(mode="after")
    def _keys_belong_together(self) -> Self:
        given = [key for key in ("address", "cluster", "arguments") if getattr(self, key)]
        if given and self.backend != "dask":
            raise ValueError(f"{given[0]} belongs to backend: dask. Add that, or leave {given[0]} out.")
        if self.address and len(given) > 1:
            raise ValueError(f"address names a cluster that runs, {given[1]} one to be started; give one of them.")
        return self

    def settings(self) -> Execution:
        """The settings of a refresh."""
        return Execution(**self.model_dump() | {"cluster": self.cluster or "local"})


def _check_mapping(text: str) -> str:
    from reports.audit.published_table import ColumnMapping  # slow to import, and most configurations have no audit

    ColumnMapping.parse(text)
    return text


class AuditSection(Section):
    """A published cost table that the report compares with the counts, as `zoometer audit` does."""

    zoo: Annotated[str, one_of("zoo that is installed", installed_zoos)]
    """Whose models the table is about."""
    against: Location | None = None
    """A CSV table. Default: what the zoo itself publishes."""
    columns: AnyNumberOf[Annotated[str, Written(check=_check_mapping)]] = []
    """Columns of the fields in tables other than timm's: macs=GFLOPs:G."""


DEFAULT_REPORT = "leaderboard"
_TRENDS = "trends"


def trends_name(report: str) -> str:
    """Name of the page of trends that is written beside a report in HTML once there are two runs."""
    return _TRENDS if report == DEFAULT_REPORT else f"{report}-{_TRENDS}"


def _refuse_taken(name: str) -> str:
    if name == _TRENDS or name.endswith(f"-{_TRENDS}"):
        raise ValueError(
            f"'{name}' may be the page of what changed over runs, which is written besides. Give the report another name."
        )
    return name


class ReportSection(Section):
    """One report: its files are `<out>/<name>.<format>`."""

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$"), AfterValidator(_refuse_taken)] = DEFAULT_REPORT
    """Name of its files, which are <out>/<name>.<format>."""
    title: Text = "Model-zoo leaderboard"
    """The heading of the page."""
    formats: OneOrMore[Annotated[str, one_of("report format", lambda: list(FORMATS))]] = ["html", "xlsx"]
    """Files to write."""


class Config(AxesSection):
    """A whole configuration file."""

    storage: dict[str, Any] = {}
    """Options of the file system at the cache's address, as fsspec names them; never shown."""
    cache: Location = DEFAULT_CACHE
    """Folder or address of the counts, as Parquet tables: s3://bucket/cache."""
    out: Location = "out/"
    """Folder of the reports."""
    zoos: Annotated[dict[ZooName, Annotated[ZooSection, _OR_EMPTY]], Field(min_length=1)]
    """Which architectures are counted, zoo by zoo."""
    inputs: Sizes = ["native"]
    """Input sizes: native, the evaluation size of each set of weights; 224; 384x512 (height x width)."""
    traces: TraceModes = [f"{precision}/{layout}" for precision in _TRACED_BY_DEFAULT for layout in LAYOUTS]
    """Modes in which the workloads of models are recorded, for estimates of speed. []: none."""
    training: bool = False
    """Whether a step of training is counted beside each cost: its MACs and its memory."""
    accuracy: AccuracySection = AccuracySection()
    """Where published accuracy comes from."""
    execution: ExecutionSection = ExecutionSection()
    """How models are counted."""
    budgets: dict[Text, BudgetSection] = {}
    """Limits under names, for: zoometer select CONFIG --budget NAME."""
    audit: list[AuditSection] = []
    """Published tables that the report compares with the counts."""
    measure: MeasureSection = MeasureSection()
    """How `zoometer measure` runs models on this machine."""
    devices: Location | None = None
    """A file of devices of your own, beside those that come with zoometer."""
    speed: list[RunSection] = []
    """Devices, and how models run on them, whose latency the reports show."""
    reports: list[ReportSection] = [ReportSection()]
    """The reports that are written to `out`."""

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
        """The settings of a refresh: the part of the configuration without reports."""
        return RefreshSettings(
            cache=self.cache,
            zoos={name: zoo.settings(self, self.inputs) for name, zoo in self.zoos.items()},
            timm_results=self.accuracy.timm.results,
            fetch_accuracy=self.accuracy.fetch,
            accuracy_max_age_days=self.accuracy.max_age_days,
            execution=self.execution.settings(),
            training=self.training,
            traces=tuple(dict.fromkeys([*map(parse_trace_mode, self.traces), *self._traces_of_speeds()])),
        )

    def _traces_of_speeds(self) -> Iterator[RunConfig]:
        """The traces that the speeds of reports and budgets are estimated from."""
        runs = [section.run() for section in self.speed]
        runs += [budget.run() for budget in self.budgets.values() if budget.device and budget.is_about_speed]
        return (run.for_trace() if run.precision in TRACED else RunConfig() for run in runs)

    def declared_models(self) -> dict[str, tuple[DeclaredModel, ...]]:
        """The models of each zoo that this file declares."""
        return {name: zoo.declared_models() for name, zoo in self.zoos.items() if zoo.models}
