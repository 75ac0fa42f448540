"""What a machine says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device import Device
from zoo.measurement import environment
from zoo.measurement.environment import cpu_name, device_id, environment_json, physical_cores, thread_count
from zoo.run_config import RunConfig


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"cpu": "Intel(R) Core(TM) i9-10940X CPU @ 3.30GHz"}, "core-i9-10940x"),
        ({"cpu": "AMD EPYC 9654 96-Core Processor"}, "epyc-9654"),
        ({"cpu": "Intel(R) Xeon(R) Platinum 8480+"}, "xeon-8480plus"),
        ({"cpu": "any", "gpu": "NVIDIA GeForce RTX 4090"}, "rtx-4090"),
        ({"cpu": "any", "gpu": "NVIDIA GeForce RTX 4090 Laptop GPU"}, "nvidia-geforce-rtx-4090-laptop-gpu"),
        ({"cpu": "AMD EPYC"}, "amd-epyc"),
    ],
)
def test_hardware_is_a_known_device_only_by_its_whole_name(facts: dict[str, Any], expected: str) -> None:
    assert device_id(facts, shipped_devices().values()) == expected
    assert (expected in shipped_devices()) == (expected.count("-") < 3 and expected != "amd-epyc")


def test_a_device_of_the_users_own_is_found_by_its_name() -> None:
    assert device_id({"cpu": "AMD EPYC"}, [Device("build-server", "AMD EPYC", "server-cpu")]) == "build-server"


def test_the_environment_is_the_same_text_each_time_and_says_what_times_depend_on() -> None:
    run = RunConfig("cpu", threads=1)
    first, second = environment.environment(run), environment.environment(run)
    assert environment_json(first) == environment_json(second)
    facts = json.loads(environment_json(first))
    assert (facts["cpu"], facts["threads"], facts["cores"]) == (cpu_name(), 1, len(physical_cores()))
    assert facts["torch"].startswith("2.")
    assert environment_json(environment.environment(RunConfig("cpu", threads=2))) != environment_json(first)


def test_threads_are_one_a_core_unless_told() -> None:
    assert thread_count(RunConfig("cpu")) == len(physical_cores()) >= 1
    assert thread_count(RunConfig("cpu", threads=7)) == 7


def test_of_two_processors_of_a_core_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    monkeypatch.setattr(environment, "_read_stripped", lambda path: siblings[int(path.parts[-3].removeprefix("cpu"))])
    assert physical_cores.__wrapped__() == (0, 1)


def test_facts_of_a_gpu_are_those_of_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two cards that a driver lists, by the number that does not change with what torch is shown."""

    class Cuda:
        @staticmethod
        def get_device_name(index: int) -> str:
            return f"Card {index}"

        @staticmethod
        def get_device_properties(index: int) -> Any:
            return type("Properties", (), {"uuid": f"uuid-{index}"})

    class Torch:
        cuda = Cuda
        version = type("Version", (), {"cuda": "13.0", "hip": None})
        backends = type("Backends", (), {
            "cudnn": type("Cudnn", (), {"version": staticmethod(lambda: 92400), "allow_tf32": True}),
            "cuda": type("Cuda", (), {"matmul": type("Matmul", (), {"allow_tf32": False})}),
        })  # fmt: skip

        @staticmethod
        def device(name: str) -> Any:
            return type("Device", (), {"index": int(name.partition(":")[2] or 0)})

    asked: list[str] = []

    def smi(*command: str) -> str:
        asked.extend(command)
        return "GPU-uuid-0, 580.1, 450.00 W, 3105 MHz, 10501 MHz\nGPU-uuid-1, 580.1, 300.00 W, 3105 MHz, 10501 MHz\n"

    monkeypatch.setattr(environment, "_run_program", smi)
    facts = environment._cuda_facts(Torch, "cuda:1")
    assert (facts["gpu"], facts["power.limit"], facts["clocks.max.sm"]) == ("Card 1", "300.00 W", "3105 MHz")
    assert facts["tf32"] == {"convolution": True, "matmul": False}
    assert asked[0] == "nvidia-smi"


def test_a_program_that_is_not_there_says_nothing() -> None:
    assert environment._run_program("no-such-program-anywhere") == ""
