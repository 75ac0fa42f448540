"""`zoometer check`: the gate for a team's own model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reports import cli

MODULE = """
from torch import nn

class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(3, 16, 3, padding=1)
        self.act = nn.ReLU()
        self.narrow = nn.Conv2d(16, 4, 1)
        self.head = nn.Linear(4, 500)

    def forward(self, x):
        return self.head(self.narrow(self.act(self.wide(x))).mean((2, 3)))
"""
SIDE = 10
WIDE_MACS, NARROW_MACS, HEAD_MACS = SIDE * SIDE * 16 * 27, SIDE * SIDE * 4 * 16, 4 * 500
MACS = WIDE_MACS + NARROW_MACS + HEAD_MACS
PARAMS = (16 * 27 + 16) + (4 * 16 + 4) + (4 * 500 + 500)
PEAK = 2 * 16 * SIDE * SIDE * 4  # the wide output and what ReLU makes of it, in float32
INPUT = 3 * SIDE * SIDE * 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "gated_nets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "gated_nets", raising=False)
    return tmp_path


def zoometer(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["check", "gated_nets:Gated", "--input", f"3x{SIDE}x{SIDE}", *args])
    return result.exit_code, result.stdout, result.stderr


def record(*args: str) -> tuple[int, Any]:
    code, out, _ = zoometer(*args, "--format", "json")
    return code, json.loads(out)[0]


def test_a_model_within_its_limits_passes() -> None:
    code, found = record("--max-gmacs", str(MACS), "--max-params", str(PARAMS), "--max-peak-memory", f"{PEAK}B")
    # A bare --max-gmacs is in G, so this limit is large; the exact ones follow.
    assert code == 0
    assert found["is_kept"]
    code, found = record("--max-gmacs", f"{MACS}MACs", "--max-params", str(PARAMS), "--max-peak-memory", f"{PEAK}B")
    assert code == 0
    assert {limit["column"]: limit["value"] for limit in found["limits"]} == {"macs": MACS, "params": PARAMS, "peak_bytes": PEAK}


def test_a_broken_limit_ends_with_code_1_and_names_the_layers() -> None:
    code, found = record("--max-gmacs", f"{MACS - 1}MACs", "--max-params", str(PARAMS - 1))
    macs, params = {limit["column"]: limit for limit in found["limits"]}["macs"], found["limits"][0]
    assert code == 1
    assert [(x["module"], x["value"]) for x in macs["layers"]] == [
        ("wide", WIDE_MACS),
        ("narrow", NARROW_MACS),
        ("head", HEAD_MACS),
    ]
    assert macs["layers"][0]["share"] == WIDE_MACS / MACS
    assert (params["layers"][0]["module"], params["layers"][0]["value"]) == ("head", 4 * 500 + 500)


def test_memory_names_where_the_peak_is_and_the_largest_outputs() -> None:
    code, out, _ = zoometer("--max-peak-memory", "1KB")
    assert code == 1
    assert "EXCEEDED  Peak memory ≤ 1.00 KB: it has 12.80 KB" in out
    assert "reached in act" in out
    assert "wide (Conv2d)" in out


@pytest.mark.parametrize(("dtype", "scale"), [("float16", 0.5), ("int8", 0.25)])
def test_memory_follows_the_dtype(dtype: str, scale: float) -> None:
    code, found = record("--max-memory", "1GB", "--dtype", dtype)
    assert code == 0
    assert found["limits"][0]["value"] == scale * (PEAK + INPUT + 4 * PARAMS)
    assert (found["assumption"] is None) == (dtype == "float16")  # counted in float16, derived in int8


def test_work_is_that_of_one_image_and_memory_that_of_the_batch() -> None:
    _, found = record("--max-gmacs", "1", "--max-peak-memory", "1MB", "--batch", "4")
    assert {limit["column"]: limit["value"] for limit in found["limits"]} == {"macs": MACS, "peak_bytes": 4 * PEAK}


def test_a_microcontroller_holds_activations_in_ram_and_weights_in_flash(folder: Path) -> None:
    (folder / "mine.yaml").write_text("tiny: {source: x, kind: microcontroller, memory: 8 KiB, flash: 8 KiB}")
    code, found = record("--device", "tiny", "--devices", "mine.yaml", "--dtype", "int8")
    assert code == 0
    assert {x["title"]: (x["value"], x["at_most"]) for x in found["limits"]} == {
        "RAM of the device": ((PEAK + INPUT) / 4, 8192),
        "Flash of the device": (PARAMS, 8192),
    }


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([], "There is nothing to check: give a limit"),
        (["--max-params", "2.5x"], "--max-params: '2.5x' is not a number"),
        (["--max-peak-memory", "256"], "--max-peak-memory: '256' needs a unit. Write 500MB"),
        (["--max-peak-memory", "256B"], ""),
        (["--device", "stm32h7", "--max-params", "1M"], "There is no device 'stm32h7'. Did you mean stm32h743"),
    ],
)
def test_mistakes_are_code_2_and_not_1(args: list[str], sentence: str) -> None:
    code, out, err = zoometer(*args)
    assert code == (2 if sentence else 1)
    assert sentence in " ".join(err.split())
    assert bool(out) != bool(sentence)
