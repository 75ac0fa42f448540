"""`zoometer count`, run in this process on small models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reports import cli

MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))

instance = Net()
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_nets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zoometer(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["count", *args])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("target", ["own_nets:Net", "own_nets:instance"])
def test_a_users_module_is_counted_exactly(folder: Path, target: str) -> None:
    code, out, _ = zoometer(target, "--input", "3x10x12", "--format", "json")
    (cost,) = json.loads(out)
    macs = 10 * 12 * 8 * 3 * 3 * 3 + 8 * 5
    assert code == 0
    assert (cost["macs"], cost["flops"], cost["params"]) == (macs, 2 * macs, 8 * 27 + 8 + 8 * 5 + 5)
    assert cost["status"] == "exact"


def test_every_input_gives_a_table_from_one_build(folder: Path) -> None:
    _, out, _ = zoometer("own_nets:Net", "--input", "3x8x8", "--input", "3x16x16", "--format", "json", "--depth", "1")
    small, large = json.loads(out)
    assert (small["input"], large["input"]) == ("3x8x8", "3x16x16")
    conv = {row["module"]: row["macs"] for row in large["rows"]}["conv"]
    assert conv == 16 * 16 * 8 * 27
    assert large["macs"] - 8 * 5 == 4 * (small["macs"] - 8 * 5)


def test_batch_and_dtype_are_the_users(folder: Path) -> None:
    options = ("--input", "3x8x8", "--format", "json")
    (one,) = json.loads(zoometer("own_nets:Net", *options)[1])
    (four,) = json.loads(zoometer("own_nets:Net", *options, "--batch", "4", "--dtype", "float16")[1])
    assert four["macs"] == 4 * one["macs"]
    assert four["weight_bytes"] == one["weight_bytes"] / 2
    assert four["peak_activation_bytes"] == 4 * one["peak_activation_bytes"] / 2


def test_the_table_shows_totals_units_and_the_convention(folder: Path) -> None:
    code, out, _ = zoometer("own_nets:Net", "--input", "3x8x8", "--convention", "ptflops-aten")
    macs = 8 * 8 * 8 * 27 + 8 * 8 * 8 + 8 * 5 + 5
    assert code == 0
    assert f"{macs / 1e3:.2f} KMACs" in out
    assert f"{2 * macs / 1e3:.2f} KFLOPs" in out
    assert "ptflops-aten counts" in out


def test_weights_of_a_zoo_bring_their_head_and_input() -> None:
    _, out, _ = zoometer("torchvision/mobilenet_v3_small.IMAGENET1K_V1", "--format", "json", "--by", "operation")
    (cost,) = json.loads(out)
    assert cost["input"] == "3x224x224"
    assert sum(row["macs"] for row in cost["rows"]) == cost["macs"]


TRACED = ("own_nets:Net", "--input", "3x8x8", "--by", "call", "--precision", "amp", "--layout", "nhwc")


def test_single_calls_have_precision_layout_and_the_memory_they_use(folder: Path) -> None:
    (cost,) = json.loads(zoometer(*TRACED, "--format", "json")[1])
    assert (cost["precision"], cost["layout"], cost["batch"]) == ("amp", "nhwc", 2)
    conv = next(row for row in cost["rows"] if row["operation"] == "conv2d")
    channels_last = f"{8 * 8 * 8}:1:{8 * 8}:8"
    assert (conv["module"], conv["groups"], conv["kernel"], conv["has_bias"]) == ("conv", 1, "3x3", True)
    assert conv["strides"].endswith(f"-> {channels_last}")
    assert conv["dtypes"] == "float16, float16, float16 -> float16"
    assert conv["macs"] == 2 * 8 * 8 * 8 * 27
    relu = next(row for row in cost["rows"] if row["operation"] == "relu")
    assert (relu["groups"], relu["reads"]) == (None, conv["writes"])
    written = cost["storages"][int(conv["writes"])]
    assert written == {
        "nbytes": 2 * 2 * 8 * 8 * 8,
        "role": "activation",
        "alloc_at": conv["position"],
        "free_at": relu["position"] + 1,
    }


def test_single_calls_as_a_table_and_as_csv(folder: Path) -> None:
    code, out, _ = zoometer(*TRACED)
    assert code == 0
    assert "precision amp, layout nhwc, batch 2" in " ".join(out.split())
    assert "float32 -> float16" in out
    header, *rows = zoometer(*TRACED, "--batch", "3", "--format", "csv")[1].splitlines()
    assert header.startswith("model,input,position,module,module_class,operation,kind,shapes,strides,dtypes,roles,reads,writes")
    assert any(",to,copy,3x3x8x8 -> 3x3x8x8," in row for row in rows)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["timm/resnet5"], "timm has no architecture 'resnet5'. Did you mean resnet50"),
        (["tim/resnet50"], "There is no zoo 'tim'. Did you mean timm?"),
        (["timm/resnet50.a9_in1k"], "timm/resnet50 has no weights 'a9_in1k'. Did you mean"),
        (["resnet50"], "'resnet50' does not name a model."),
        (["own_nets:Net"], "own_nets:Net has no native input."),
        (["own_nets:Nett", "--input", "3x8x8"], "Module 'own_nets' has no 'Nett'. Did you mean Net?"),
        (["no_such_module:Net", "--input", "3x8x8"], "Module 'no_such_module' cannot be imported"),
        (["own_nets:number", "--input", "3x8x8"], "own_nets:number cannot be built without arguments"),
        (["own_nets:Net", "--input", "4x8x8"], "own_nets:Net does not run at 4x8x8"),
        (["own_nets:Net", "--input", "3y8"], "'3y8' is not an input shape."),
        (["own_nets:Net", "--input", "3x8x8", "--dtype", "int3"], "'int3' is not a dtype."),
        (["timm/resnet50", "--convention", "fvcor"], "There is no convention 'fvcor'. Did you mean fvcore?"),
        (
            ["own_nets:Net", "--input", "3x8x8", "--precision", "amp"],
            "--precision shows single calls and their MACs: add --by call",
        ),
        (["own_nets:Net", "--input", "3x8x8", "--layout", "nhwc"], "--layout nhwc needs a precision"),
        (
            ["own_nets:Net", "--input", "3x8x8", "--by", "call", "--precision", "apm"],
            "There is no precision 'apm'. Did you mean amp",
        ),
        (
            ["own_nets:Net", "--input", "3x8x8", "--by", "call", "--precision", "amp", "--layout", "hwc"],
            "There is no layout 'hwc'. Did you mean nhwc",
        ),
    ],
)
def test_a_mistake_ends_with_code_2_and_the_way_out(folder: Path, args: list[str], sentence: str) -> None:
    code, out, err = zoometer(*args)
    assert code == 2
    assert sentence in " ".join(err.split())
    assert not out
