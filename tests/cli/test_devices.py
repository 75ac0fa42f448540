"""`zoometer devices`: the table, one device in full, and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reports import cli
from zoo.devices.data_sheets import shipped_devices
from zoo.devices.kinds import GROUPS


def zoometer(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["devices", *args])
    return result.exit_code, result.stdout, result.stderr


def test_all_are_listed_with_units_and_dashes_for_what_is_not_known() -> None:
    code, out, _ = zoometer()
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert set(shipped_devices()) <= set(lines)
    assert "165.2 TFLOP/s" in lines["rtx-4090"]
    assert "24 GiB" in lines["rtx-4090"]
    assert lines["stm32f746"].split()[1:6] == ["–", "–", "–", "–", "320"]


def test_one_device_is_shown_with_the_source_of_each_figure() -> None:
    _, out, _ = zoometer("rtx-3060")
    assert "computed: 192 bits x 15 Gbit/s" in out
    assert "https://www.nvidia.com" in out


def test_json_has_exact_figures_units_in_names_and_sources() -> None:
    _, out, _ = zoometer("stm32h743", "rtx-4090", "--format", "json")
    controller, card = json.loads(out)
    assert controller["memory_bytes"]["value"] == 2**20
    assert "DS12110" in controller["flash_bytes"]["source"]
    assert card["peak_per_s"]["fp16_tensor_fp32_acc"]["value"] == 165.2e12
    assert "memory_bytes" not in json.loads(zoometer("apple-m1", "--format", "json")[1])[0]


def test_a_kind_and_own_devices(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("devices: {bench: {source: measured, kind: phone, memory: 3 GiB}}")
    found = json.loads(zoometer("--kind", "phone", "--devices", str(path), "--format", "json")[1])
    assert {"bench", "pixel-8"} <= {device["id"] for device in found}
    assert {device["kind"] for device in found} == {"phone"}


def test_the_table_is_in_groups_with_their_titles() -> None:
    lines = [line for line in zoometer()[1].splitlines() if line.strip()][2:]
    titles = [line.strip() for line in lines if not line.startswith(" ")]
    assert titles == list(GROUPS)
    members = lines[lines.index(next(line for line in lines if line.strip() == "Phone")) + 1 :]
    assert members[0].split()[0] in {device.id for device in shipped_devices().values() if device.kind == "phone"}


def test_a_group_is_asked_for_in_words_and_a_device_by_its_name() -> None:
    found = json.loads(zoometer("--kind", "laptops", "--format", "json")[1])
    assert {device["kind"] for device in found} == set(GROUPS["Laptop"])
    assert [device["id"] for device in json.loads(zoometer("Galaxy S24", "rpi5", "--format", "json")[1])] == [
        "galaxy-s24", "raspberry-pi-5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["rtx-409"], "There is no device 'rtx-409'. Did you mean rtx-4090"),
        (["a100"], "'a100' may be any of a100-sxm-40gb,"),
        (["--kind", "gpu"], "'gpu' is not a kind of device."),
        (["--devices", "missing.yaml"], "There is no file 'missing.yaml'"),
    ],
)
def test_a_mistake_ends_with_code_2(args: list[str], sentence: str) -> None:
    code, out, err = zoometer(*args)
    assert (code, out) == (2, "")
    assert sentence in " ".join(err.split())
