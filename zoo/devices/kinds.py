"""Kinds of devices in data sheets, and the groups in which they are listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from zoo.errors import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from zoo.devices.device import Device

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Cloud GPU": ("data-centre-gpu",),
    "Desktop GPU": ("desktop-gpu",),
    "Jetson": ("embedded-gpu",),
    "Phone": ("phone",),
    "Laptop": ("laptop-soc", "laptop-gpu"),
    "Accelerator": ("accelerator",),
    "Board": ("board",),
    "Microcontroller": ("microcontroller",),
    "CPU": ("desktop-cpu", "server-cpu", "laptop-cpu"),
}
"""Kinds of device by the title of their group, in the order of lists in the terminal and on the page."""

KINDS = tuple(kind for kinds in GROUPS.values() for kind in kinds)

GPU_KINDS = ("data-centre-gpu", "desktop-gpu", "embedded-gpu")
CPU_KINDS = ("desktop-cpu", "server-cpu", "laptop-cpu")
"""Kinds whose latencies are estimated from their data sheet."""

_TITLES = {kind: title for title, kinds in GROUPS.items() for kind in kinds}


def group_title(kind: str) -> str:
    """The title of the group of a kind: `Jetson` for `embedded-gpu`."""
    return _TITLES[kind]


def group_devices(devices: Iterable[Device]) -> dict[str, list[Device]]:
    """Devices by the title of their group; empty groups are left out."""
    by_title: dict[str, list[Device]] = {title: [] for title in GROUPS}
    for device in sorted(devices, key=lambda device: KINDS.index(device.kind)):
        by_title[group_title(device.kind)].append(device)
    return {title: members for title, members in by_title.items() if members}


def find_kinds(name: str) -> tuple[str, ...]:
    """The kinds of a group (`cloud GPU`, `phones`), or a single kind (`laptop-gpu`).

    Raises:
        UnknownNameError: if there is no such group or kind.
    """
    plain = " ".join(name.lower().replace("-", " ").replace("_", " ").split())
    known = {title.lower(): kinds for title, kinds in GROUPS.items()} | {kind.replace("-", " "): (kind,) for kind in KINDS}
    if kinds := known.get(plain) or known.get(plain.removesuffix("s")):
        return kinds
    near = did_you_mean(plain, known) or f" Write one of {', '.join(GROUPS)}."
    raise UnknownNameError(f"'{name}' is not a kind of device.{near}")
