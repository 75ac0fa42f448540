"""Kinds of devices and the groups that people look for them in."""

from __future__ import annotations

import pytest

from zoo.devices.data_sheets import shipped_devices
from zoo.devices.kinds import GROUPS, KINDS, find_kinds, group_devices, group_title
from zoo.errors import UnknownNameError

DEVICES = shipped_devices()


def test_every_device_is_in_one_group_and_groups_are_in_order() -> None:
    grouped = group_devices(DEVICES.values())
    assert list(grouped) == list(GROUPS)  # of each there is one
    assert sorted(device.id for members in grouped.values() for device in members) == sorted(DEVICES)
    assert all(group_title(device.kind) == title for title, members in grouped.items() for device in members)


def test_a_group_without_devices_is_left_out() -> None:
    assert list(group_devices([DEVICES["t4"], DEVICES["pixel-8"]])) == [group_title("data-centre-gpu"), group_title("phone")]


@pytest.mark.parametrize("title", GROUPS)
def test_a_group_goes_by_its_title_however_it_is_written(title: str) -> None:
    for name in (title, title.lower(), f"{title}s", title.replace(" ", "-"), title.upper()):
        assert find_kinds(name) == GROUPS[title]


def test_a_kind_alone_is_one() -> None:
    for kind in KINDS:
        assert kind in find_kinds(kind)
    assert find_kinds("laptop-gpu") == ("laptop-gpu",)


def test_another_name_lists_the_groups() -> None:
    with pytest.raises(UnknownNameError, match=r"'toaster' is not a kind of device. Write one of Cloud GPU, .*CPU"):
        find_kinds("toaster")
    with pytest.raises(UnknownNameError, match="Did you mean phone"):
        find_kinds("fone")
