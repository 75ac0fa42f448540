"""The calls behind `import reports`: what the verbs of the command do, with results instead of output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from reports.api.answering import BudgetRequest, answer
from reports.api.rendering import count_and_render, render_again
from reports.api.results import Choice, ComparedModels, Outcome
from reports.config.config_file import load_config
from reports.config.workspace import Workspace
from reports.leaderboard import leaderboard
from reports.models.comparison import compare_models
from reports.models.groups import expand_names
from reports.models.model_latency import find_device_run
from reports.models.model_lookup import look_up_models
from reports.terminal.progress import listen
from zoo.errors import InputError

if TYPE_CHECKING:
    from reports.config.config import Config

P = TypeVar("P", str, Path, str | Path)
PathLike = str | Path
"""A path, as text or not."""


def select(
    config: PathLike | None = None,
    *,
    budget: str | None = None,
    cache: str | None = None,
    devices: PathLike | None = None,
    speeds: Sequence[PathLike] = (),
    **limits: Any,
) -> Choice:
    """Which model to pick within limits, from what the cache holds; nothing is counted.

        reports.select(params="5M", macs="0.6GMACs", accuracy="75%")
        reports.select("configs/jetson.yaml", budget="camera")
        reports.select(device="galaxy s24", dtype="int8", latency="5ms", pareto="latency")

    Args:
        config: a configuration; only its models are candidates. None: all of the cache.
        budget: a budget of the configuration; `limits` replace parts of it.
        cache: folder or address. None: `ZOOMETER_CACHE`, else the configuration's, else `cache/`.
        devices: a file of devices of your own.
        speeds: CSV files of speeds that were measured on the device.
        **limits: the keys of a budget, as a configuration writes them: params, macs, activations, peak_memory, memory, file_size,
            latency, throughput, accuracy, dataset, license, zoo, family, task, device, dtype, batch, layout, compiled, runtime,
            processor, threads, pareto, pick.

    Raises:
        ZooError: if a limit, a device, the configuration or the cache is wrong; the message says what to do.
    """
    request = BudgetRequest(
        Path(config) if config else None,
        _named("ZOOMETER_CACHE", cache),
        budget,
        limits,
        Path(devices) if devices else None,
        tuple(map(Path, speeds)),
    )
    return Choice(answer(request), request)


def compare(
    *models: str,
    input: str = "native",
    config: PathLike | None = None,
    cache: str | None = None,
    device: str | None = None,
    **run: Any,
) -> ComparedModels:
    """Models side by side: accuracy and cost. What the cache lacks is counted now, and not kept.

        reports.compare("timm/resnet50", "torchvision/swin_t")

    Args:
        *models: zoo/arch, zoo/arch.weights, or */arch for one architecture in every zoo.
        input: 224, 384x512; native: each at its own.
        config: a configuration, for its cache and the zoos that it declares.
        cache: folder or address. None: `ZOOMETER_CACHE`, else the configuration's, else `cache/`.
        device: whose latency is compared too, by any of its names.
        **run: how models run there: dtype, batch, layout, compiled, runtime, processor, threads.

    Raises:
        InputError: if fewer than two models are named.
        ZooError: if a model, the device or the cache is wrong.
    """
    workspace = Workspace.open(config, _named("ZOOMETER_CACHE", cache))
    names = expand_names(list(dict.fromkeys(models)), workspace.cache, workspace.declared_zoos)
    if len(names) < 2:
        raise InputError("There is nothing to compare. Name two models or more: reports.compare('timm/resnet50', 'timm/vgg16')")
    device_run = find_device_run(device, None, run, workspace.cache) if device else None
    with look_up_models(names, workspace.cache, workspace.declared_zoos, input, device_run) as lookup:
        return ComparedModels(compare_models(lookup, input))


def read_leaderboard(config: PathLike | None = None, *, cache: str | None = None) -> pd.DataFrame:
    """Every model of the cache with its costs and accuracies, a row for each set of weights at each input.

    Args:
        config: a configuration; only its models are listed. None: all of the cache.
        cache: folder or address. None: `ZOOMETER_CACHE`, else the configuration's, else `cache/`.

    Raises:
        CacheError: if the cache holds no counts.
    """
    return leaderboard.read_leaderboard(Workspace.open(config, _named("ZOOMETER_CACHE", cache)))


def run(config: PathLike, *, cache: str | None = None, out: PathLike | None = None, progress: bool = True) -> Outcome:
    """Count what a configuration selects and the cache lacks, and write its reports.

    Args:
        config: the configuration.
        cache: takes the place of `ZOOMETER_CACHE` and of the configuration's.
        out: the folder of the reports; likewise, of `ZOOMETER_OUT`.
        progress: whether it is shown on stderr.

    Raises:
        ZooError: if the configuration, the cache or the folder is wrong.
    """
    from zoo.refresh.refresh import refresh  # its libraries are slow to import

    chosen = _read_config(config, cache, out)
    with listen(quiet=not progress) as listener:
        return Outcome(count_and_render(chosen, config, lambda request: refresh(chosen.refresh_settings(), listener, request)))


def report(config: PathLike, *, formats: Sequence[str] = (), cache: str | None = None, out: PathLike | None = None) -> Outcome:
    """Write the reports of a configuration from what the cache holds; nothing is counted.

    Args:
        config: the configuration.
        formats: html, xlsx, csv, json, md or parquet. Empty: the configuration's.
        cache: takes the place of `ZOOMETER_CACHE` and of the configuration's.
        out: the folder of the reports; likewise, of `ZOOMETER_OUT`.

    Raises:
        ZooError: if the configuration, the cache or the folder is wrong.
    """
    return Outcome(render_again(_read_config(config, cache, out), config, formats))


def _read_config(config: PathLike, cache: str | None, out: PathLike | None) -> Config:
    return load_config(config, cache=_named("ZOOMETER_CACHE", cache), out=_named("ZOOMETER_OUT", out))


def _named(variable: str, given: P | None) -> P | str | None:
    """What is given, else what the environment names, as for the command."""
    return given or os.environ.get(variable) or None
