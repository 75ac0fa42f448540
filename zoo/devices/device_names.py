"""Finding a device by the name that somebody gives it: `s24`, `Galaxy S24`, `nvidia 4090`, `rpi5`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device import Device
from zoo.errors import UnknownNameError

_MOST_NEAR = 4
_MOST_CHOICES = 8
_SAY_NOTHING = {"gpu", "cpu", "device"}
"""Words that people add to the name of any device: `T4 GPU`."""
_NEAR = 0.65
"""How alike, by `difflib`, names are that may have been meant: `rtx-409` and `rtx-4090`."""


def find_device(name: str, own: Mapping[str, Device] | None = None) -> Device:
    """The device of this id, or that goes by this name; a user's own ones come first.

    Raises:
        UnknownNameError: if there is none, or several may be meant; the message lists them.
    """
    known = {**shipped_devices(), **(own or {})}
    if name in known:
        return known[name]
    names = DeviceNames(known.values())
    meant = names.meant_by(name)
    if len(meant) == 1:
        return known[meant[0]]
    if meant:
        raise UnknownNameError(f"'{name}' may be any of {_choices(meant)}. Write one of these.")
    near = names.near(name)
    hint = f"Did you mean {_choices(near)}?" if near else "See them all with: zoometer devices"
    raise UnknownNameError(f"There is no device '{name}'. {hint}")


def _choices(ids: list[str]) -> str:
    """`a, b or c`; of many the first."""
    if len(ids) > _MOST_CHOICES:
        return f"{', '.join(ids[:_MOST_CHOICES])} and {len(ids) - _MOST_CHOICES} more (zoometer devices)"
    return " or ".join(filter(None, [", ".join(ids[:-1]), ids[-1]]))


class DeviceNames:
    """The names that devices go by, whatever their case and punctuation: `galaxy s24`, `RTX4090`."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._devices = list(devices)
        self._ids = {plain_name(name): device.id for device in self._devices for name in names_of(device)}

    def find(self, name: str) -> str | None:
        """The id of the device of this name; where none has it, of the only one whose name ends with it: `5090`.

        This is for names in tables, where one that may mean something else has to stay as it is.
        """
        if exact := self.exactly(name):
            return exact
        plain = plain_name(name)
        ends = {device_id for known, device_id in self._ids.items() if plain and known.endswith(plain)}
        return ends.pop() if len(ends) == 1 else None

    def exactly(self, name: str) -> str | None:
        """The id of the device of this name, if one has it."""
        return self._ids.get(plain_name(name))

    def meant_by(self, name: str) -> list[str]:
        """The ids of all devices that somebody may mean who writes this: the one of this name, else those with all of its words.

        Where the id of one begins all others (`rtx-3060`, `rtx-3060-ti`), that one is meant.
        """
        if exact := self.exactly(name):
            return [exact]
        words = set(_name_words(name)) - _SAY_NOTHING
        matches = [device.id for device in self._devices if words and words <= _parts(device)]
        plainest = min(matches, key=len, default="")
        return [plainest] if matches and all(device_id.startswith(plainest) for device_id in matches) else matches

    def near(self, name: str) -> list[str]:
        """The ids of those whose names are most like this one, or contain it, the most alike first."""
        plain = plain_name(name)
        chips = {plain_name(device.chip): device.id for device in self._devices if device.chip}
        known = chips | self._ids
        containing = [text for text in known if len(plain) >= 3 and plain in text]
        alike = difflib.get_close_matches(plain, known, n=3 * _MOST_NEAR, cutoff=_NEAR)
        return list(dict.fromkeys(known[text] for text in [*containing, *alike]))[:_MOST_NEAR]


def goes_by(device: Device, name: str) -> bool:
    """Whether this is a name of the device, and not only some words of one."""
    return plain_name(name) in map(plain_name, names_of(device))


def names_of(device: Device) -> Iterator[str]:
    """Every name that a device goes by, its id last."""
    yield from device.aliases
    yield device.name
    yield device.id


def plain_name(name: str) -> str:
    """`rtx4090` for `RTX 4090`."""
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def _name_words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9+]+", name.lower())


def _parts(device: Device) -> set[str]:
    """The words of a device's names, and neighbours written together: `rtx4090` of `NVIDIA GeForce RTX 4090`."""
    names = [_name_words(name) for name in names_of(device)]
    return {
        "".join(words[start:end])
        for words in names
        for start in range(len(words))
        for end in range(start + 1, min(start + 3, len(words)) + 1)
    }
