"""A real refresh of a few small models, in processes that can reach no network."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fakes_installed import environment
from fakes_web import Site
from paths import SUPPORT

from zoo.accuracy.result_tables import MAIN_TABLE
from zoo.records import CostKey, Selection, Status, TraceKey
from zoo.settings import Execution, Listener, RefreshSettings, ZooSettings

RESULTS = """model,img_size,top1,top5
resnet18.a1_in1k,224,71.5,90.1
resnet18.a1_in1k,288,73.1,91.0
test_vit.r160_in1k,160,40.0,60.0
resnet_of_yore.in1k,224,1,2
"""

REFRESH = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[3])
from fakes_refreshed import settings_for
from zoo.refresh.refresh import refresh
print(json.dumps(dataclasses.asdict(refresh(settings_for(sys.argv[1], sys.argv[2], workers=2)))))
"""


def settings_for(
    cache: str | Path, results: str | Path, *, workers: int, inputs: tuple[str, ...] = ("native",)
) -> RefreshSettings:
    zoos = {"timm": ("test_vit", "test_resnet", "resnet18"), "torchvision": ("resnet18", "googlenet", "raft_small")}
    too_small = {"torchvision": (("raft_small", ("64",)),)}
    chosen = {zoo: ZooSettings(Selection(include=names), inputs, too_small.get(zoo, ())) for zoo, names in zoos.items()}
    return RefreshSettings(str(cache), chosen, timm_results=str(results), execution=Execution(workers=workers))


@dataclasses.dataclass(frozen=True)
class Refreshed:
    """A finished refresh by two processes that could reach no network."""

    folder: Path
    summary: dict[str, Any]
    requests: list[str]  # what they tried to reach all the same

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def results(self) -> Path:
        return self.folder / "results" / MAIN_TABLE

    def copy(self, folder: Path) -> Path:
        shutil.copytree(self.cache, folder / "cache")
        return folder / "cache"


def refresh_in(folder: Path) -> Refreshed:
    """Refreshes a cache in this folder, with the folder as home and a proxy there that notes who calls."""
    (folder / "home").mkdir()
    (folder / "results").mkdir()
    (folder / "results" / MAIN_TABLE).write_text(RESULTS)
    variables = environment(folder)
    with Site(folder / "home") as proxy:
        variables |= {name: proxy.address for name in variables if name.lower().endswith("_proxy") and variables[name]}
        variables |= {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home")}
        arguments = [str(folder / "cache"), str(folder / "results" / MAIN_TABLE), str(SUPPORT)]
        done = subprocess.run(
            [sys.executable, "-c", REFRESH, *arguments], env=variables, capture_output=True, text=True, check=True
        )
    return Refreshed(folder, json.loads(done.stdout), proxy.paths)


class Listening(Listener):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.keys: list[CostKey | TraceKey] = []
        self.said: list[str] = []

    def counted(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> None:
        self.keys.append(key)

    def notify(self, message: str) -> None:
        self.said.append(message)
