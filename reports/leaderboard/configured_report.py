"""A configuration's whole report: its leaderboard, answers to its budgets, what the last run changed, and its audits."""

from __future__ import annotations

import dataclasses

import pandas as pd

from reports.config.budgets import BudgetSection
from reports.config.config import Config
from reports.leaderboard.change_report import build_change_report
from reports.leaderboard.leaderboard_report import build_leaderboard_report
from reports.leaderboard.report import AuditReport, BudgetAnswer, ChangeReport, Report, SpeedReport
from reports.leaderboard.speed_report import build_speed_reports, with_latencies
from reports.selection import wording
from reports.selection.answers import answer_budget, choose_device
from reports.selection.candidates import Estimator, SpeedSources
from reports.selection.estimates import Estimates
from zoo.cache.changes import changes_between
from zoo.cache.store import Store
from zoo.devices.devices import Device
from zoo.measurement.speed_imports import known_speeds
from zoo.run_config import RunConfig


def check_inputs(config: Config) -> None:
    """Reads what a report needs besides the cache, so that a mistake is found before anything is counted.

    Raises:
        ZooError: if a budget's device is unknown, or a table to audit cannot be read.
    """
    _devices(config)
    _runs(config)
    if config.audit:
        from reports.leaderboard.audit_report import read_published

        for section in config.audit:
            read_published(section)


def build_configured_report(config: Config, *, title: str, name: str | None = None, may_count: bool = False) -> Report:
    """The report of what a configuration selects.

    Args:
        config: the configuration.
        title: of the report.
        name: the one that runs of this configuration are recorded under; None: the last run of all is spoken of.
        may_count: whether audits may count what they need and the cache lacks, such as other input sizes.

    Raises:
        ZooError: if the cache holds nothing of the selection, or what else is needed cannot be read.
    """
    devices = _devices(config)
    report = build_leaderboard_report(config.refresh_settings(), title=title)
    store = Store(config.cache)
    estimates = Estimates(store)
    answers = (_answer(report.leaderboard, estimates, key, budget, devices[key]) for key, budget in config.budgets.items())
    speeds = _device_speeds(config, estimates, report.leaderboard)
    return dataclasses.replace(
        report,
        budgets=tuple(answers),
        changes=_last_changes(store, name),
        audits=_audits(config, may_count=may_count),
        device_speeds=speeds,
        leaderboard=with_latencies(report.leaderboard, speeds),
    )


def _answer(table: pd.DataFrame, estimates: Estimates, name: str, budget: BudgetSection, device: Device | None) -> BudgetAnswer:
    """The answer to a budget with what the cache knows of speed."""
    measured = known_speeds(estimates.store, device.id) if device else None
    return make_answer(table, name, budget, device, measured, estimates.of_budget(budget, device))


def _device_speeds(config: Config, estimates: Estimates, table: pd.DataFrame) -> tuple[SpeedReport, ...]:
    """The speeds that the configuration asks for."""
    if not config.speed:
        return ()
    runs = _runs(config)
    measured = {device: known_speeds(estimates.store, device) for device in {run.device for _, run in runs}}
    sources = [SpeedSources(device, measured[device.id], estimates.estimator(device, run)) for device, run in runs]
    return build_speed_reports(table, [(run, source) for (_, run), source in zip(runs, sources, strict=True)])


def _runs(config: Config) -> list[tuple[Device, RunConfig]]:
    """The run configurations whose speed is asked for, each with its device."""
    store = Store(config.cache)
    devices = [choose_device(section.device, config.devices, store) for section in config.speed]
    return [
        (device, dataclasses.replace(section.run(), device=device.id))
        for device, section in zip(devices, config.speed, strict=True)
        if device
    ]


def _devices(config: Config) -> dict[str, Device | None]:
    return {name: choose_device(budget.device, config.devices, Store(config.cache)) for name, budget in config.budgets.items()}


def _audits(config: Config, *, may_count: bool) -> tuple[AuditReport, ...]:
    if not config.audit:
        return ()
    from reports.leaderboard.audit_report import build_audit_report

    return tuple(build_audit_report(config, section, may_count=may_count) for section in config.audit)


def make_answer(  # all but three are optional
    table: pd.DataFrame,
    name: str,
    budget: BudgetSection,
    device: Device | None = None,
    speeds: pd.DataFrame | None = None,
    estimate: Estimator | None = None,
) -> BudgetAnswer:
    """The answer to a budget from a leaderboard, measured speeds and estimates, with its sentences."""
    selected, assumptions = answer_budget(table, budget, device, speeds, estimate)
    unknown = wording.missing_text(selected)
    unranked = [f"{selected.unranked:,} of those that fit cannot be ranked: an objective is not known for them."]
    return BudgetAnswer(
        name=name,
        budget=budget,
        selected=selected,
        columns=tuple(wording.shown_columns(selected)),
        limits=tuple(map(wording.limit_text, selected.limits)),
        reasons=tuple(wording.reasons(selected)),
        relaxations=tuple(wording.relaxation_text(selected, relaxation) for relaxation in selected.relaxations),
        notes=(
            *([f"Not known, so not considered: {'; '.join(unknown)}."] if unknown else []),
            *(unranked if selected.unranked else []),
            *assumptions,
        ),
    )


def _last_changes(store: Store, name: str | None) -> ChangeReport | None:
    """The changes of the last run; None where there is no run before it."""
    runs = [run for run in store.runs() if name is None or run.config == name]
    changes = changes_between(store, after=runs[-1].run) if runs else None
    return build_change_report(changes) if changes and changes.before else None
