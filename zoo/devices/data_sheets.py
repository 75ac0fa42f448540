"""Reads data sheets: those of `sheets/` beside this module, and a user's own file of devices.

`sheets/` has a file for each kind of device, and `documents.yaml` with the documents and an explanation of the terms. A user's own file has
the same format; its devices are added, or replace those of the same name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from zoo.devices.device import FIGURES, Cluster, Device, Figure, FigureSource
from zoo.devices.kinds import KINDS
from zoo.documents.files import DocumentKind
from zoo.documents.yaml_document import load_own_yaml, read_yaml
from zoo.errors import DeviceError, UnitError, did_you_mean
from zoo.units import (
    FLOPS_PER_S,
    HERTZ,
    OPERATIONS_PER_S,
    Quantity,
    parse_quantity,
)

_TEXTS = ("name", "kind", "architecture", "chip", "note", "source")
_KEYS = (*_TEXTS, "aliases", "peak", *FIGURES, "clusters", "sources")
_FORMATS = "fp64|fp32|tf32|fp16|bf16|fp8|fp4|int8|int4"
_PATH = re.compile(rf"(?P<format>{_FORMATS})_(vector|tensor(_(fp64|fp32|fp16|int32)_acc)?)")
_KNOWN = " Known: {}."
_INTEGER = "int"
_USERS_FILE = DocumentKind("file of devices", DeviceError, 2_000_000)
_Collection = TypeVar("_Collection", dict[str, Any], list[Any])
_COLLECTIONS: Mapping[type, str] = {dict: "mapping", list: "list"}


@functools.cache
def shipped_devices() -> Mapping[str, Device]:
    """The devices that come with zoometer, by id."""
    files = resources.files("zoo.devices").joinpath("sheets").iterdir()
    contents = [load_own_yaml(file.read_text(encoding="utf-8")) for file in sorted(files, key=lambda file: file.name)]
    sources = {name: FigureSource(**source) for content in contents for name, source in content.get("sources", {}).items()}
    entries = {name: entry for content in contents for name, entry in content.get("devices", {}).items()}
    return {name: parse_device(name, entry, sources) for name, entry in entries.items()}


def read_devices(path: str | Path) -> dict[str, Device]:
    """The devices of a user's file: under its key `devices`, or at its top level.

    Raises:
        DeviceError: if there is no such file, or a device in it cannot be read; the message names the figure.
    """
    content = read_yaml(path, _USERS_FILE).content
    entries = content.get("devices", content) if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise DeviceError(f"'{path}' holds no devices. Write them under the key `devices`, each under its own name.")
    try:
        return {str(name): parse_device(str(name), entry) for name, entry in entries.items()}
    except DeviceError as error:
        raise DeviceError(f"{path}: {error}") from None


def parse_device(device_id: str, entry: Any, sources: Mapping[str, FigureSource] | None = None) -> Device:
    """A device from its entry in a file.

    Args:
        device_id: its name in the file.
        entry: its keys and values.
        sources: documents by the name that `source` and `sources` may use; any other text is a title itself.

    Raises:
        DeviceError: if a key is unknown or missing, or a figure cannot be read.
    """
    if not isinstance(entry, dict):
        raise DeviceError(f"Device '{device_id}' must be a mapping of keys, such as memory: 8 GiB.")
    for key in entry:
        if key not in _KEYS:
            raise DeviceError(
                f"Device '{device_id}': '{key}' is not a known key.{did_you_mean(str(key), _KEYS) or _KNOWN.format(', '.join(_KEYS))}"
            )
    texts: dict[str, Any] = {key: str(entry[key]) for key in _TEXTS if entry.get(key) is not None}
    source = texts.pop("source", None)
    if source is None:
        raise DeviceError(
            f"Device '{device_id}' names no source. Say where its figures come from, such as source: data sheet 123."
        )
    kind = texts.setdefault("kind", "board")
    if kind not in KINDS:
        raise DeviceError(f"Device '{device_id}': '{kind}' is not a kind of device.{_KNOWN.format(', '.join(KINDS))}")
    texts.setdefault("name", device_id)
    named = _Sources(device_id, source, _check_collection(device_id, entry, "sources", dict), sources or {})
    peaks = _check_collection(device_id, entry, "peak", dict)
    figures: dict[str, Any] = {
        attribute: named.figure(key, entry[key], kind) for key, (attribute, kind) in FIGURES.items() if key in entry
    }
    peak_per_s = {path: named.figure(path, value, _peak_quantity(device_id, path)) for path, value in peaks.items()}
    clusters = tuple(named.cluster(one) for one in _check_collection(device_id, entry, "clusters", list))
    named.check_used([*peaks, *(key for key in (*FIGURES, "clusters") if key in entry), "peak"])
    aliases = tuple(str(alias) for alias in _check_collection(device_id, entry, "aliases", list))
    return Device(id=device_id, **texts, aliases=aliases, peak_per_s=peak_per_s, **figures, clusters=clusters)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Sources of the figures of one device."""

    device_id: str
    default: str
    exceptions: Mapping[str, Any]
    documents: Mapping[str, FigureSource]

    def figure(self, key: str, value: Any, kind: Quantity) -> Figure:
        """A figure with its source: its own, else the source of all peaks, else the device's."""
        name = self.exceptions.get(key) or (_PATH.fullmatch(key) and self.exceptions.get("peak")) or self.default
        try:
            number = parse_quantity(value, kind)
        except UnitError as error:
            raise DeviceError(f"Device '{self.device_id}', {key}: {error}") from None
        if number <= 0:
            raise DeviceError(f"Device '{self.device_id}', {key}: must be more than 0. Leave it out where it is not known.")
        return Figure(number, self._find_document(name))

    def cluster(self, entry: Any) -> Cluster:
        """Cores of one kind, as `{cores: 4, clock: 2.4 GHz, core: Cortex-A76}`."""
        if not isinstance(entry, dict) or type(entry.get("cores")) is not int or entry.keys() - {"cores", "clock", "core"}:
            raise DeviceError(
                f"Device '{self.device_id}', clusters: write each as {{cores: 4, clock: 2.4 GHz, core: Cortex-A76}}, not {entry!r}."
            )
        clock = self.figure("clock", entry["clock"], HERTZ).value if "clock" in entry else None
        core = None if entry.get("core") is None else str(entry["core"])
        return Cluster(entry["cores"], clock, core, self._find_document(self.exceptions.get("clusters") or self.default))

    def _find_document(self, name: Any) -> FigureSource:
        return self.documents.get(str(name)) or FigureSource(str(name))

    def check_used(self, keys: list[str]) -> None:
        """Checks that every source is for an existing figure."""
        for key in self.exceptions:
            if key not in keys:
                raise DeviceError(
                    f"Device '{self.device_id}': sources names '{key}', which is no figure of it.{did_you_mean(str(key), keys)}"
                )


def _peak_quantity(device_id: str, path: Any) -> Quantity:
    if not (match := _PATH.fullmatch(str(path))):
        raise DeviceError(
            f"Device '{device_id}': '{path}' does not name a peak rate. Write a format ({_FORMATS.replace('|', ', ')}) with "
            "_vector, _tensor, or _tensor and the format of accumulation: fp32_vector, fp16_tensor_fp32_acc, int8_tensor_int32_acc."
        )
    return OPERATIONS_PER_S if match["format"].startswith(_INTEGER) else FLOPS_PER_S


def _check_collection(device_id: str, entry: Mapping[str, Any], key: str, kind: type[_Collection]) -> _Collection:
    value = entry.get(key) or kind()
    if not isinstance(value, kind):
        raise DeviceError(f"Device '{device_id}': {key} must be a {_COLLECTIONS[kind]}.")
    return value
