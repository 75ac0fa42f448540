"""The devices that come with zoometer, and those a user writes."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from zoo.devices.data_sheets import parse_device, read_devices, shipped_devices
from zoo.devices.device import Device
from zoo.devices.device_names import find_device
from zoo.devices.kinds import KINDS
from zoo.errors import DeviceError
from zoo.published.published import published_speeds

DEVICES = shipped_devices()


def test_every_kind_of_device_is_there() -> None:
    assert len(DEVICES) >= 25
    assert {device.kind for device in DEVICES.values()} == set(KINDS)
    assert {"jetson-orin-nano", "rtx-3090", "rtx-4090", "pixel-8", "stm32h743", "core-i9-10940x"} <= set(DEVICES)


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_every_figure_is_a_possible_one_and_names_its_document(device: Device) -> None:
    figures = dict(device.figures())
    assert figures or device.id in set(published_speeds()["device"])  # what is not known is left out, and nothing may be
    for name, figure in figures.items():
        assert figure.value > 0, name
        is_document = str(figure.source.url).startswith("https://")
        assert is_document or figure.source.title.startswith("computed: "), f"{name} has no document: {figure.source.title}"


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_rates_of_one_device_are_in_order(device: Device) -> None:
    """Matrix units are no slower than vector units, narrow formats and narrow accumulators no slower than wide ones."""
    peaks = {name: figure.value for name, figure in device.peak_per_s.items()}
    ladders = [
        ("fp32_vector", "fp16_vector", "fp16_tensor_fp16_acc"),
        ("tf32_tensor_fp32_acc", "fp16_tensor_fp32_acc", "fp16_tensor_fp16_acc"),
        ("fp16_tensor_fp32_acc", "fp8_tensor_fp32_acc", "fp8_tensor_fp16_acc"),
        ("fp16_tensor_fp16_acc", "int8_tensor_int32_acc", "int4_tensor_int32_acc"),
        ("tf32_tensor", "fp16_tensor", "int8_tensor", "int4_tensor"),
    ]
    for ladder in ladders:
        known = [peaks[name] for name in ladder if name in peaks]
        assert known == sorted(known), ladder


@pytest.mark.parametrize(
    ("name", "cores_an_sm"), [(name, 128 if name.startswith(("rtx", "l4")) else 64) for name in ("rtx-3070", "rtx-3080", "rtx-3090", "rtx-4080", "rtx-4090", "rtx-5090", "l4", "l40s", "a100-sxm-40gb", "v100-sxm2")]
)  # fmt: skip
def test_a_stated_peak_is_cores_times_clock(name: str, cores_an_sm: int) -> None:
    """The vendor's own figures hang together: fp32 = 2 x cores x boost clock, to the digits it prints."""
    device = DEVICES[name]
    assert device.compute_units
    assert device.boost_clock_hz
    computed = 2 * device.compute_units.value * cores_an_sm * device.boost_clock_hz.value
    assert device.peak_per_s["fp32_vector"].value == pytest.approx(computed, rel=0.005)


_UNITS = {"": 1.0, "GHz": 1e9, "Gbit/s": 1e9 / 8}


def product_of(words: str) -> float:
    """What `1,024 cores x 2 x 0.625 GHz (data sheet)` comes to: the first number of each factor, in its unit."""
    factors = [re.search(r"([\d.,]*\d)(?: (GHz|Gbit/s))?", part) for part in re.sub(r"\([^)]*\)", "", words).split(" x ")]
    return math.prod(float(found[1].replace(",", "")) * _UNITS[found[2] or ""] for found in factors if found)


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_what_is_computed_is_what_its_words_come_to(device: Device) -> None:
    for name, figure in device.figures():
        if figure.source.title.startswith("computed: ") and " x " in figure.source.title:
            assert figure.value == pytest.approx(product_of(figure.source.title), rel=0.005), (name, figure.source.title)


def test_there_is_something_computed_to_check() -> None:
    assert product_of("computed: 192 bits x 15 Gbit/s (a page)") == 360e9
    assert sum(" x " in figure.source.title for device in DEVICES.values() for _, figure in device.figures()) > 15


def test_facts_everybody_can_look_up() -> None:
    card = DEVICES["rtx-4090"]
    assert card.memory_bytes
    assert card.memory_bytes.value == 24 * 2**30
    assert card.memory_bandwidth_bytes_per_s
    assert card.memory_bandwidth_bytes_per_s.value == 384 / 8 * 21e9  # bits of the bus x rate of a pin
    assert DEVICES["apple-m3"].memory_bytes is None  # depends on the laptop


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_a_users_device_takes_a_few_lines_and_goes_before_ours(tmp_path: Path) -> None:
    path = write(
        tmp_path, "devices:\n  t4: {source: my bench, memory: 15 GiB}\n  board: {source: DS-1, peak: {int8_tensor: 4 TOP/s}}\n"
    )
    own = read_devices(path)
    mine = find_device("t4", own)
    assert mine.memory_bytes
    assert (mine.memory_bytes.value, mine.memory_bytes.source.title) == (15 * 2**30, "my bench")
    assert mine.memory_bandwidth_bytes_per_s is None  # nothing of ours is mixed in
    assert find_device("board", own).peak_per_s["int8_tensor"].value == 4e12
    assert find_device("v100-pcie", own) == DEVICES["v100-pcie"]


def test_the_example_is_one(repository: Path) -> None:
    board, sensor = read_devices(repository / "configs" / "devices.yaml").values()
    assert {name: figure.source.title for name, figure in board.figures()}["memory_bandwidth_bytes_per_s"].startswith("measured")
    assert sensor.memory_bytes
    assert sensor.memory_bytes.value == 256 * 1024


def test_a_single_figure_can_have_its_own_source() -> None:
    device = parse_device("b", {"source": "one", "memory": "1 GiB", "power": "5 W", "sources": {"power": "two"}})
    assert {name: figure.source.title for name, figure in device.figures()} == {"memory_bytes": "one", "power_w": "two"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"source": "x", "memry": "1 GiB"}, "'memry' is not a known key. Did you mean memory"),
        ({"memory": "1 GiB"}, "names no source"),
        ({"source": "x", "memory": "1 Gb"}, "memory: '1 Gb' is not an amount of bytes"),
        ({"source": "x", "memory": 0}, "must be more than 0"),
        ({"source": "x", "kind": "gpu"}, "'gpu' is not a kind of device"),
        ({"source": "x", "peak": {"fp16": "1 TFLOP/s"}}, "'fp16' does not name a peak rate"),
        ({"source": "x", "peak": {"fp16_vector": "1 TFLOPS"}}, "A rate has a slash"),
        ({"source": "x", "peak": {"int8_tensor": "1 TFLOP/s"}}, "rate of integer operations"),
        ({"source": "x", "clusters": [{"cores": "four"}]}, r"clusters: write each as \{cores: 4"),
        ({"source": "x", "memory": "1 GiB", "sources": {"memoy": "y"}}, "'memoy', which is no figure of it. Did you mean memory"),
        (3, "must be a mapping"),
        ({"source": "x", "aliases": 5}, "aliases must be a list"),
        ({"source": "x", "clusters": "many"}, "clusters must be a list"),
        ({"source": "x", "clusters": [{"cores": True}]}, "clusters: write each as"),
        ({"source": "x", "sources": {5: "y"}}, "sources names '5', which is no figure of it"),
    ],
)
def test_a_mistake_is_named(entry: Any, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        parse_device("board", entry)


@pytest.mark.parametrize(
    ("text", "message"), [("devices:\n", "holds no devices"), ("a: [", "not readable as YAML"), ("devices: {b: {memory: 1 GiB}}", "mine.yaml: Device 'b'")]
)  # fmt: skip
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        read_devices(write(tmp_path, text))
    with pytest.raises(DeviceError, match="There is no file"):
        read_devices(tmp_path / "missing.yaml")


def test_a_users_device_can_have_names_and_clusters(tmp_path: Path) -> None:
    text = (
        "devices: {lab: {source: x, aliases: [bench 3], chip: C1, clusters: [{cores: 4, clock: 2 GHz, core: A76}, {cores: 2}]}}"
    )
    device = find_device("Bench-3", read_devices(write(tmp_path, text)))
    assert (device.id, device.chip) == ("lab", "C1")
    assert [(one.cores, one.clock_hz, one.core, one.source.title) for one in device.clusters] == [
        (4, 2e9, "A76", "x"), (2, None, None, "x"),
    ]  # fmt: skip


@pytest.mark.parametrize("device", [one for one in DEVICES.values() if one.clusters], ids=lambda device: device.id)
def test_clusters_are_the_cores_of_the_device_the_fastest_first(device: Device) -> None:
    assert device.cores
    assert sum(one.cores for one in device.clusters) == device.cores.value
    clocks = [one.clock_hz for one in device.clusters if one.clock_hz]
    assert clocks == sorted(clocks, reverse=True)
