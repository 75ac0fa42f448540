"""Finds devices by the names that users write: `s24`, `Galaxy S24`, `nvidia 4090`, `rpi5`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device import Device
from zoo.errors import UnknownNameError

_MOST_NEAR = 4
_MOST_CHOICES = 8
_IGNORED_WORDS = {"gpu", "cpu", "device"}
"""Words that users add to names: `T4 GPU`."""
_NEAR = 0.65
"""Least similarity by `difflib` of suggested names: `rtx-409` and `rtx-4090`."""


def find_device(name: str, own: Mapping[str, Device] | None = None) -> Device:
    """The device with this id or name; a user's own devices take precedence.

    Raises:
        UnknownNameError: if there is none, or the name is ambiguous; the message lists candidates.
    """
    known = {**shipped_devices(), **(own or {})}
    if name in known:
        return known[name]
    names = DeviceNames(known.values())
    meant = names.meant_by(name)
    if len(meant) == 1:
        return known[meant[0]]
    if meant:
        raise UnknownNameError(f"'{name}' may be any of {_list_choices(meant)}. Write one of these.")
    near = names.near(name)
    hint = f"Did you mean {_list_choices(near)}?" if near else "See them all with: zoometer devices"
    raise UnknownNameError(f"There is no device '{name}'. {hint}")


def _list_choices(ids: list[str]) -> str:
    """`a, b or c`; only the first of many."""
    if len(ids) > _MOST_CHOICES:
        return f"{', '.join(ids[:_MOST_CHOICES])} and {len(ids) - _MOST_CHOICES} more (zoometer devices)"
    return " or ".join(filter(None, [", ".join(ids[:-1]), ids[-1]]))


class DeviceNames:
    """Names of devices, compared without case and punctuation: `galaxy s24`, `RTX4090`."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._devices = list(devices)
        self._ids = {plain_name(name): device.id for device in self._devices for name in names_of(device)}

    def find(self, name: str) -> str | None:
        """The id of the device with this name, else of the only device whose name ends with it: `5090`.

        This is for names in tables; ambiguous names have no id.
        """
        if exact := self.exactly(name):
            return exact
        plain = plain_name(name)
        ends = {device_id for known, device_id in self._ids.items() if plain and known.endswith(plain)}
        return ends.pop() if len(ends) == 1 else None

    def exactly(self, name: str) -> str | None:
        """The id of the device with exactly this name, or None."""
        return self._ids.get(plain_name(name))

    def meant_by(self, name: str) -> list[str]:
        """The ids of all devices that a user may mean: the one with this name, else those with all words of the name.

        If one id is the beginning of all others (`rtx-3060`, `rtx-3060-ti`), only that device is meant.
        """
        if exact := self.exactly(name):
            return [exact]
        words = set(_name_words(name)) - _IGNORED_WORDS
        matches = [device.id for device in self._devices if words and words <= _words_and_pairs(device)]
        plainest = min(matches, key=len, default="")
        return [plainest] if matches and all(device_id.startswith(plainest) for device_id in matches) else matches

    def near(self, name: str) -> list[str]:
        """The ids of devices whose names contain this name or are similar to it, the most similar first."""
        plain = plain_name(name)
        chips = {plain_name(device.chip): device.id for device in self._devices if device.chip}
        known = chips | self._ids
        containing = [text for text in known if len(plain) >= 3 and plain in text]
        alike = difflib.get_close_matches(plain, known, n=3 * _MOST_NEAR, cutoff=_NEAR)
        return list(dict.fromkeys(known[text] for text in [*containing, *alike]))[:_MOST_NEAR]


def goes_by(device: Device, name: str) -> bool:
    """Whether this is a whole name of the device, and not only a part of one."""
    return plain_name(name) in map(plain_name, names_of(device))


def names_of(device: Device) -> Iterator[str]:
    """All names of a device, its id last."""
    yield from device.aliases
    yield device.name
    yield device.id


def plain_name(name: str) -> str:
    """`rtx4090` for `RTX 4090`."""
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def _name_words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9+]+", name.lower())


def _words_and_pairs(device: Device) -> set[str]:
    """The words of a device's names, and adjacent words joined: `rtx4090` of `NVIDIA GeForce RTX 4090`."""
    names = [_name_words(name) for name in names_of(device)]
    return {
        "".join(words[start:end])
        for words in names
        for start in range(len(words))
        for end in range(start + 1, min(start + 3, len(words)) + 1)
    }
