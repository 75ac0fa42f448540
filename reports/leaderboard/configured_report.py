"""The whole report of a configuration: its leaderboard, budgets, speeds and audits, and the changes of its last run."""

from __future__ import annotations

import dataclasses

from reports.config.config import Config
from reports.leaderboard.change_report import build_change_report
from reports.leaderboard.leaderboard_report import build_leaderboard_report
from reports.leaderboard.report import AuditReport, ChangeReport, Report
from reports.leaderboard.speed_report import published_table, with_speeds
from reports.selection.budget_answer import answer_budget
from reports.selection.speeds.device_lookup import look_up_device
from reports.selection.speeds.speed_estimates import CachedSpeeds
from zoo.cache.changes import changes_between
from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.run_config import RunConfig


def check_inputs(config: Config) -> None:
    """Reads the inputs of a report besides the cache, so that mistakes are reported before anything is counted.

    Raises:
        ZooError: if a budget's device is unknown, or a table to audit cannot be read.
    """
    _budget_devices(config)
    _configured_runs(config)
    if config.audit:
        from reports.leaderboard.audit_report import read_section

        for section in config.audit:
            read_section(section)


def build_configured_report(config: Config, *, title: str, name: str | None = None, may_count: bool = False) -> Report:
    """The report of what a configuration selects.

    Args:
        config: the configuration.
        title: of the report.
        name: of the configuration, by which its runs are recorded; None: changes are those of the last run of all.
        may_count: whether audits may count what the cache lacks, such as other input sizes.

    Raises:
        ZooError: if the cache holds none of the models, or another input cannot be read.
    """
    devices = _budget_devices(config)
    report = build_leaderboard_report(config.refresh_settings(), title=title)
    table, store = report.leaderboard, Store(config.cache)
    cached = CachedSpeeds(store)
    runs = [(run, cached.on_device(device, run)) for device, run in _configured_runs(config)]
    published, sources = published_table(table)
    return dataclasses.replace(
        with_speeds(report, cached, runs),
        budgets=tuple(
            answer_budget(table, budget, cached.for_budget(budget, devices[key]), key) for key, budget in config.budgets.items()
        ),
        changes=_last_changes(store, name),
        audits=_build_audits(config, may_count=may_count),
        published_speeds=published,
        sources=(*report.sources, *sources),
    )


def _configured_runs(config: Config) -> list[tuple[Device, RunConfig]]:
    """The run configurations whose speed is reported, each with its device."""
    store = Store(config.cache)
    devices = [look_up_device(section.device, config.devices, store) for section in config.speed]
    pairs = zip(devices, config.speed, strict=True)
    return [(device, dataclasses.replace(section.run(), device=device.id)) for device, section in pairs if device]


def _budget_devices(config: Config) -> dict[str, Device | None]:
    return {name: look_up_device(budget.device, config.devices, Store(config.cache)) for name, budget in config.budgets.items()}


def _build_audits(config: Config, *, may_count: bool) -> tuple[AuditReport, ...]:
    if not config.audit:
        return ()
    from reports.leaderboard.audit_report import build_audit_report

    return tuple(build_audit_report(config, section, may_count=may_count) for section in config.audit)


def _last_changes(store: Store, name: str | None) -> ChangeReport | None:
    """The changes of the last run; None where there is no run before it."""
    runs = [run for run in store.runs() if name is None or run.config == name]
    changes = changes_between(store, after=runs[-1].run) if runs else None
    return build_change_report(changes) if changes and changes.before else None
