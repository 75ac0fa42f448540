"""The environment of a measurement: the machine, its drivers and libraries, as JSON.

Measurements with equal JSON have the same environment. It excludes what changes from minute to minute, such as the current clock.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from zoo.devices.device import Device
from zoo.run_config import RunConfig

_GPU_FIELDS = ("driver_version", "power.limit", "clocks.max.sm", "clocks.max.memory")
_SYSTEM = Path("/sys/devices/system/cpu")
_NOISE = re.compile(r"\((?:R|TM|C)\)|\bCPU\b|\bProcessor\b|@.*|\b\d+-Core\b", re.IGNORECASE)
"""Parts of a CPU's name that do not identify it: `Intel(R) Core(TM) i9-10940X CPU @ 3.30GHz`."""


def environment(run: RunConfig) -> dict[str, Any]:
    """The facts about this process and machine, without unknown ones; imports torch."""
    import torch

    facts: dict[str, Any] = {
        "cpu": cpu_name(),
        "cores": len(physical_cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "governor": _read_stripped(_SYSTEM / "cpu0/cpufreq/scaling_governor"),
    }
    if run.is_cpu:
        mkldnn = torch.backends.mkldnn
        facts |= {"threads": thread_count(run), "simd": torch.backends.cpu.get_cpu_capability()}
        facts["mkldnn"] = bool(mkldnn.is_available() and mkldnn.enabled)
    elif run.device.startswith("cuda"):
        facts |= _cuda_facts(torch, run.device)
    else:
        facts["gpu"] = cpu_name()  # on Apple's chips the CPU and the GPU are one chip
    return {name: value for name, value in facts.items() if value not in (None, "")}


def environment_json(facts: Mapping[str, Any]) -> str:
    """An environment as text in the table `speed`."""
    return json.dumps(facts, sort_keys=True)


def thread_count(run: RunConfig) -> int:
    """Threads of a CPU measurement: the requested number, or one per physical core."""
    return run.threads or len(physical_cores())


@cache
def physical_cores() -> tuple[int, ...]:
    """Numbers of the processors this process may use, one a core: a core's second processor shares its arithmetic."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    by_core: dict[str, int] = {}
    for number in allowed:
        by_core.setdefault(_read_stripped(_SYSTEM / f"cpu{number}/topology/thread_siblings_list") or str(number), number)
    return tuple(by_core.values())


@cache
def cpu_name() -> str:
    """Name of the processor, as it reports it."""
    for line in (_read_stripped(Path("/proc/cpuinfo")) or "").splitlines():
        if line.lower().startswith("model name"):
            return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        return _run_program("sysctl", "-n", "machdep.cpu.brand_string").strip()
    return platform.processor() or platform.machine()


def device_id(facts: Mapping[str, Any], known: Iterable[Device]) -> str:
    """The id of the known device of the hardware's name, else an id made from that name: `amd-epyc-7763`."""
    name = str(facts.get("gpu") or facts["cpu"])
    plain = _plain_words(name)
    return next((device.id for device in known if _plain_words(device.name) == plain), "-".join(plain))


def _plain_words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9+]+", _NOISE.sub(" ", name).lower())


def _cuda_facts(torch: Any, device: str) -> dict[str, Any]:
    index = torch.device(device).index or 0
    facts = {
        "gpu": torch.cuda.get_device_name(index),
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "cudnn": torch.backends.cudnn.version(),
        "tf32": {"convolution": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32},
    }
    uuid = _plain_uuid(str(getattr(torch.cuda.get_device_properties(index), "uuid", "")))
    rows = list(
        csv.reader(_run_program("nvidia-smi", f"--query-gpu=uuid,{','.join(_GPU_FIELDS)}", "--format=csv,noheader").splitlines())
    )
    for own_uuid, *values in rows:
        if _plain_uuid(own_uuid) == uuid:
            facts |= {name: value.strip() for name, value in zip(_GPU_FIELDS, values, strict=False)}
    return facts


def _plain_uuid(text: str) -> str:
    """A UUID as torch writes it; NVIDIA's tool adds the prefix `GPU-`."""
    return text.strip().removeprefix("GPU-")


def _read_stripped(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _run_program(*command: str) -> str:
    """Output of a program; empty if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
