"""Mutated configurations: each is read, or refused in words, in time."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes_cache import Cache
from fuzz_configs import mutated_config, shipped_texts
from fuzzing import Findings, run_command

from reports.config.config import Config
from reports.config.config_file import load_config
from zoo.devices.data_sheets import read_devices
from zoo.errors import ConfigError, DeviceError

_LONGEST_MESSAGE = 16_000  # characters


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small cache, and with paths of each bad kind, to work in."""
    monkeypatch.chdir(tmp_path)
    cache = Cache(tmp_path / "cache")
    cache.model("resnet50", 4_000_000_000, 80.0)
    cache.model("vit_tiny", 1_000_000_000, 75.0)
    cache.report()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("a,b\n1,2\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "table.csv").write_text("Name,GFLOPs\nresnet50,8\n")
    return tmp_path


def use(config: Config) -> None:
    """What commands ask of a configuration."""
    config.refresh_settings()
    config.declared_models()
    config.measure.settings(config.cache, {}, {})
    for budget in config.budgets.values():
        budget.limits()
        budget.objectives()
        budget.run()


def refusal(read: Callable[[Path], object], path: Path) -> str | None:
    """Why a file is refused; None if it is read."""
    try:
        read(path)
    except (ConfigError, DeviceError) as error:
        return str(error)
    return None


def outcome(read: Callable[[Path], object], path: Path) -> str:
    why = refusal(read, path)
    if why is None:
        return "read"
    assert len(why) <= _LONGEST_MESSAGE
    return "refused"


def fuzz(repository: Path, folder: Path, count: int, seed: int) -> Findings:
    """Reads each mutant, and renders the reports of one in fifty."""
    findings, texts, path = Findings(), shipped_texts(repository), folder / "mutant.yaml"

    def use_config(path: Path) -> None:
        use(load_config(path))

    for number in range(count):
        rng = random.Random(seed + number)
        path.write_bytes(mutated_config(texts, rng))
        findings.case(f"seed {seed + number}", outcome, use_config, path)
        if number % 50 == 0:
            findings.case(
                f"report, seed {seed + number}", lambda: "report, " + run_command("report", str(path), "--format", "md")
            )
    return findings


def fuzz_devices(repository: Path, folder: Path, count: int, seed: int) -> Findings:
    findings, path, text = Findings(), folder / "mutant.yaml", (repository / "configs" / "devices.yaml").read_text("utf-8")
    for number in range(count):
        path.write_bytes(mutated_config([text], random.Random(seed + number)))
        findings.case(f"seed {seed + number}", outcome, read_devices, path)
    return findings


def test_a_mutated_configuration_is_read_or_refused_in_words(repository: Path, here: Path) -> None:
    findings = fuzz(repository, here, 100, seed=1_000_000)
    findings.check()
    assert findings.codes["read"]
    assert findings.codes["refused"]


def test_a_mutated_file_of_devices_is_read_or_refused_in_words(repository: Path, here: Path) -> None:
    findings = fuzz_devices(repository, here, 100, seed=2_000_000)
    findings.check()
    assert findings.codes["read"]
    assert findings.codes["refused"]


@pytest.mark.long
def test_ten_thousand_mutated_configurations(repository: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings = fuzz(repository, here, 8_000, seed=0)
    devices = fuzz_devices(repository, here, 2_000, seed=0)
    with capsys.disabled():
        sys.stdout.write(f"\nconfigurations: {findings.summary()}\nfiles of devices: {devices.summary()}\n")
    findings.check()
    devices.check()
