"""Devices by the names that people give them."""

from __future__ import annotations

import pytest

from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device import Device
from zoo.devices.device_names import DeviceNames, find_device, goes_by, names_of, plain_name
from zoo.errors import UnknownNameError

DEVICES = shipped_devices()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s24", "galaxy-s24"),
        ("galaxy s24", "galaxy-s24"),
        ("Galaxy S24", "galaxy-s24"),
        ("samsung-s24", "galaxy-s24"),  # all of its words are in one of the names
        ("orin nano", "jetson-orin-nano"),
        ("Jetson Orin Nano 8GB", "jetson-orin-nano"),  # not the one in Super mode, which was not asked for
        ("raspberry pi 5", "raspberry-pi-5"),
        ("rpi5", "raspberry-pi-5"),
        ("pixel 8", "pixel-8"),
        ("RTX4090", "rtx-4090"),
        ("nvidia rtx4090", "rtx-4090"),
        ("5090", "rtx-5090"),
        ("3060", "rtx-3060"),
        ("T4 GPU", "t4"),
        ("i9_10940x", "core-i9-10940x"),
        ("snapdragon x elite", "snapdragon-x-elite-crd"),
    ],
)
def test_a_device_goes_by_other_names(name: str, expected: str) -> None:
    assert find_device(name).id == expected


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_every_name_of_a_device_finds_it_in_any_case_and_with_any_spaces(device: Device) -> None:
    for name in names_of(device):
        for spelt in (name, name.upper(), name.replace("-", " "), name.replace(" ", "_")):
            assert find_device(spelt).id == device.id
            assert goes_by(device, spelt)


@pytest.mark.parametrize("name", ["a100", "h100", "raspberry pi", "80gb", "xavier"])
def test_a_name_that_several_may_have_is_an_error_that_lists_them(name: str) -> None:
    words = plain_name(name)
    with pytest.raises(UnknownNameError, match=f"'{name}' may be any of ") as caught:
        find_device(name)
    listed = [device for device in DEVICES.values() if device.id in str(caught.value).replace(",", "").replace(".", "").split()]
    assert len(listed) > 1
    assert all(any(words in plain_name(text) for text in names_of(device)) for device in listed)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("rtx-409", "rtx-4090"),
        ("samsung galaxy s26", "galaxy-s25"),
        ("pixel 7", "pixel-8"),
        ("stm32", "stm32h743"),
        ("snapdragon 8 gen 3", "galaxy-s24"),  # by the chip inside
    ],
)
def test_a_wrong_name_gets_several_that_are_near(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no device '{name}'. Did you mean .*") as caught:
        find_device(name)
    assert near in str(caught.value)
    assert " or " in str(caught.value)


def test_a_name_like_no_other_gets_the_way_to_all() -> None:
    with pytest.raises(UnknownNameError, match=r"See them all with: zoometer devices"):
        find_device("qqqq")


def test_another_generation_is_not_taken_for_what_is_known() -> None:
    for name in ("pixel 6", "rtx 4070 ti", "iphone 15", "galaxy s2", "macbook air m4"):
        with pytest.raises(UnknownNameError):
            find_device(name)


def test_tables_are_read_by_names_that_are_sure() -> None:
    """A table's device that may be another than ours stays as it is."""
    names = DeviceNames(DEVICES.values())
    assert (names.find("RTX4090"), names.find("5090")) == ("rtx-4090", "rtx-5090")
    assert (names.find("a100"), names.find("rtx 2060"), names.exactly("nvidia rtx4090")) == (None, None, None)


def test_a_users_own_name_goes_first() -> None:
    mine = Device("bench", "My bench", "board", aliases=("s24",))
    assert find_device("s24", {"bench": mine}) is mine
    assert find_device("bench", {"bench": mine}) is mine


def test_no_name_is_that_of_two_devices() -> None:
    owners: dict[str, set[str]] = {}
    for device in DEVICES.values():
        for name in names_of(device):
            owners.setdefault(plain_name(name), set()).add(device.id)
    assert {name: ids for name, ids in owners.items() if len(ids) > 1} == {}
    assert len(owners) > len(DEVICES)
