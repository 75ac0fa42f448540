"""Command lines of every verb, mutated, in a folder of their own with a small cache, and without work that takes long.

Nothing is counted or measured: where the commands would start processes, they go on as if these had been interrupted before the
first model, or say that they cannot. All else is the real command.
"""

from __future__ import annotations

import random
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes_cache import Cache
from fuzzing import WORDS

from zoo.errors import SpeedError

LINES = tuple(
    line.strip()
    for line in """
    audit torchvision --against table.csv
    audit torchvision --against table.csv --explain resnet50 --format json --fail-on unexplained
    audit torchvision --against table.csv --with table.csv --column model=model --column macs=gmacs:G --all
    speeds import speed.csv --device rtx-4090 --dtype fp16 --layout nhwc --runtime trt-10
    speeds import speed.csv --devices devices.yaml --eager --format json
    speeds list 'torchvision/*' --device rtx-4090 --only measured --failed --format csv
    calibrate --device rtx-4090 --from speed.csv --format json
    calibrate --device my-board --devices devices.yaml --config zoometer.yaml --quiet
    select --device rtx-4090 --max-latency 5ms --speed speed.csv --dtype fp32 --batch 1
    select zoometer.yaml --budget phone --max-params 6M --format json
    select --max-gmacs 5 --min-top1 70 --max-peak-memory 200MB --license 'mit*' --pareto params --pick macs
    plot --out plot.svg --cost params --max-params 30M --size 800x600 --title Title --labels 3
    report zoometer.yaml --format md,csv
    report zoometer.yaml --format json --quiet
    run zoometer.yaml --workers 2 --traces fp32/nchw --format json
    refresh zoometer.yaml --no-wait --fail-on changed,failed --max-age 30d --only 'resnet*'
    refresh zoometer.yaml --address tcp://127.0.0.1:9 --backend dask --rebuild --quiet
    list 'resnet*' --zoo torchvision --task classification --format json
    show torchvision/resnet50 --input 224
    compare torchvision/resnet50 torchvision/resnet18 --input 224 --format json
    check torchvision/resnet18 --max-params 12M --max-gmacs 2 --input 224
    devices rtx-4090 --devices devices.yaml --kind phone --format json
    estimate torchvision/resnet50 --device rtx-4090 --dtype fp16 --batch 8 --layers 3 --layout nhwc
    count torchvision/squeezenet1_0 --input 224 --by module --depth 2 --convention fvcore --format json
    measure torchvision/resnet18 --dtype float32 --batch 1 --threads 1 --precision 2% --time 10s --memory-gb 4
    measure zoometer.yaml --as my-board --input 224 --compiled --least 3 --most 5
    validate-speed speed.csv --devices devices.yaml
    changes latest --format md --all --fail-on added
    cache info --config zoometer.yaml --format json
    cache verify --cache cache
    cache compact --cache cache
    cache prune --keep-runs 30 --dry-run
    cache prune --older-than 30d --no-wait
    cache export costs -o costs.csv --as-of latest --history
    schedule cron --output schedules
    version --format json
    schema
    schema select --quiet
    init other.yaml --force
    """.strip().splitlines()
)
"""At least one line of every verb; most of their options."""

CONFIG = """
cache: cache/
zoos: {torchvision: {include: [resnet50, resnet18]}}
accuracy: {fetch: false}
devices: devices.yaml
budgets: {phone: {params: 30M, macs: 5G}}
reports: [{formats: md}]
"""
DEVICES = (
    "devices: {my-board: {source: data sheet, memory: 2 GiB, memory_bandwidth: 12.8 GB/s, peak: {fp32_vector: 60 GFLOP/s}}}\n"
)
COSTS = "model,gmacs,param_count,img_size\nresnet50,4.09,25.56,224\nresnet18,1.81,11.69,224\nresnet5,1,2,224\n"
SPEEDS = (
    "model,input,batch,latency_ms,samples_per_s,device,runtime,dtype,layout,compiled,variant,threads,spread_percent,source,measured_at\n"
    "torchvision/resnet50,224,1,4.0,250,rtx-4090,torch-2.9.1,fp32,nchw,false,base,1,2.5,a lab,2026-01-31T12:00:00\n"
    "torchvision/resnet18,224,8,4.0,2000,rtx-4090,torch-2.9.1,fp32,nchw,true,base,,,,\n"
)
_LOCAL_WORDS = tuple(word for word in WORDS if len(word) < 5_000 and "\0" not in word)
_LONG_WORDS = ("x" * 100_000, "9" * 5_000, "a " * 50_000, "\udcff\udcfe", "\x1b[31mred", "a\nb")


class Folder:
    """A folder that every case begins anew with."""

    def __init__(self, folder: Path) -> None:
        self._template, self._folder = folder / "template", folder / "case"
        self._template.mkdir()
        cache = Cache(self._template / "cache")
        for name, params, top1 in (("resnet50", 25_557_032, 80.0), ("resnet18", 11_689_512, 70.0)):
            cache.arch(name, zoo="torchvision")
            cache.weights(name, "IMAGENET1K_V1", zoo="torchvision")
            cache.cost(name, params * 100, zoo="torchvision", params=params, weight_bytes=4 * params, peak_activation_bytes=10**7)
            cache.accuracy(name, "IMAGENET1K_V1", top1, zoo="torchvision")
        cache.report(zoos=("torchvision",))
        for name, text in (("zoometer.yaml", CONFIG), ("devices.yaml", DEVICES), ("table.csv", COSTS), ("speed.csv", SPEEDS)):
            (self._template / name).write_text(text)
        (self._template / "loop").symlink_to("loop")
        (self._template / "file").write_text("a,b\n1,2\n")
        (self._template / "folder").mkdir()

    @contextmanager
    def case(self) -> Iterator[Path]:
        """The folder of one case, as the working directory."""
        with pytest.MonkeyPatch.context() as patch:
            shutil.copytree(self._template, self._folder, symlinks=True)
            patch.chdir(self._folder)
            try:
                yield self._folder
            finally:
                shutil.rmtree(self._folder)

    def keep(self) -> None:
        """Makes the present state of the case that of every later one: what a first command had to list, later ones find."""
        shutil.copytree(self._folder / "cache", self._template / "cache", dirs_exist_ok=True)


def without_work(patch: pytest.MonkeyPatch) -> None:
    """Keeps commands from counting, tracing and measuring."""

    def count_nothing(*_: Any, **__: Any) -> None:
        """Commits no result."""

    class NoProcess:
        def __init__(self, *_: Any) -> None:
            raise SpeedError("There is no process to measure in.")

    patch.setattr("zoo.refresh.fill_missing.count_and_commit", count_nothing)
    patch.setattr("zoo.refresh.refresh.count_and_commit", count_nothing)
    patch.setattr("zoo.measurement.session.SupervisedProcess", NoProcess)


def mutated_line(rng: random.Random) -> list[str]:
    """The arguments of a line after one to three mutations."""
    arguments = shlex.split(rng.choice(LINES))
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(arguments))
        match rng.randrange(7):
            case 0 | 1 | 2:
                arguments[at] = _word(rng)
            case 3:
                arguments.insert(at, _word(rng))
            case 4 if len(arguments) > 1:
                del arguments[at]
            case 5:
                arguments[at] = _cut(arguments[at], rng)
            case _:
                arguments += rng.choice([shlex.split(line)[1:] for line in LINES])
    return arguments


def _word(rng: random.Random) -> str:
    option = rng.choice([argument for line in LINES for argument in shlex.split(line) if argument.startswith("-")])
    return rng.choice(
        (
            rng.choice(_LOCAL_WORDS),
            rng.choice(_LOCAL_WORDS),
            option,
            f"{option}={rng.choice(_LOCAL_WORDS)}",
            rng.choice(_LONG_WORDS),
        )
    )


def _cut(text: str, rng: random.Random) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice(("", "é", "\n", "'", '"', "=", "/", "\udc80", "🙂")) + text[at + 1 :]
