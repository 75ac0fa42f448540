"""Measures in a process of its own. Importing this module imports torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from zoo.adapters.base import Example, Zoo
from zoo.adapters.registry import open_zoo
from zoo.api.count_module import count
from zoo.errors import InputError, VariantError
from zoo.jobs import INPUT_STAGE, VARIANT_STAGE, Failure
from zoo.measurement.environment import environment
from zoo.measurement.plan import MeasureJob
from zoo.measurement.repetition import Timing
from zoo.measurement.timing import (
    configure_torch,
    is_out_of_memory,
    measure_peak,
    peak_memory_bytes,
    place_inputs,
    place_model,
    proc_bytes,
    reset_peak_memory,
    resident_bytes,
    time_steps,
)
from zoo.run_config import RunConfig
from zoo.workers import worker
from zoo.workers.job import short_message

_FREE_SHARE = 0.8
"""Share of the available memory that a process may use; the rest is for other processes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchMeasurement:
    """The measurement of one batch."""

    timing: Timing
    flops: int | None  # of the whole batch; None: the model cannot be counted
    peak_memory_bytes: int | None


def machine_answers(run: RunConfig) -> Callable[[str], Any]:
    """Answers `environment` with the facts of the machine, and `peak` with the rate of a matrix product in GFLOP/s."""
    worker.prepare_process()
    configure_torch(run)
    answers: dict[str, Callable[[RunConfig], Any]] = {"environment": environment, "peak": measure_peak}
    return lambda request: _answer_or_failure(answers[request], run)


def model_answers(job: MeasureJob) -> Callable[[int], Any]:
    """Answers a batch with its measurement; the first request builds the model."""
    worker.prepare_process()
    if job.run.is_cpu and (limit := job.memory_gb or (proc_bytes("/proc/meminfo", "MemAvailable") or 0) / 1e9 * _FREE_SHARE):
        worker.limit_memory(limit)
    configure_torch(job.run)
    model = _Model(job)
    return lambda batch: _answer_or_failure(model.measure, batch)


def _answer_or_failure(answer: Callable[[T], Any], request: T) -> Any:
    """The answer to a request, or the failure if it raises."""
    try:
        return answer(request)
    except InputError as error:
        return Failure(INPUT_STAGE, "", str(error))
    except VariantError as error:
        return Failure(VARIANT_STAGE, "", str(error))
    except BaseException as error:  # noqa: BLE001  # SystemExit too: a model's exception costs its own row only
        return Failure("memory" if is_out_of_memory(error) else "run", type(error).__name__, short_message(error))


class _Model:
    """The model of a job, on its device."""

    def __init__(self, job: MeasureJob) -> None:
        self._job = job
        declared = job.architecture.declared
        self._zoo: Zoo = open_zoo(job.key.zoo, [declared] if declared else ())
        self._placed: nn.Module | None = None
        self._plain: nn.Module | None = None
        self._flops: int | None = None  # of one image
        self._resident = resident_bytes()  # without the model

    def measure(self, batch: int) -> BatchMeasurement:
        """One measurement.

        Raises:
            InputError: if the model's work depends on the content of its input, or it does not run as it is counted.
            Exception: whatever the model raises.
        """
        run = self._job.run
        reset_peak_memory(run)
        if self._placed is None or self._plain is None:
            self._plain = self._build_model()
            self._flops = self._count_flops()
            self._placed = place_model(self._plain, run)
        example = self._example(batch)
        args, kwargs = place_inputs((example.args, dict(example.kwargs)), run)
        timing = time_steps(self._placed, args, kwargs, run, self._job.target)
        return BatchMeasurement(
            timing, None if self._flops is None else self._flops * batch, peak_memory_bytes(run, self._resident)
        )

    def _build_model(self) -> nn.Module:
        key = self._job.key
        return self._zoo.build(key.arch, self._zoo.build_options(key)).eval()

    def _example(self, batch: int) -> Example:
        assert self._plain is not None
        example = self._zoo.example(self._plain, self._job.key._replace(batch=batch))
        if example.context is not nullcontext:
            raise InputError("its time depends on its detections, which are meaningless with random weights")
        if example.weight_bytes is not None:
            raise InputError("it is counted as its float architecture and used quantised, so a time of that would not be its own")
        return example

    def _count_flops(self) -> int | None:
        """FLOPs of one image; None if the model cannot be counted, which does not prevent measuring."""
        example = self._example(1)
        try:
            return count(self._plain, inputs=example.args, kwargs=example.kwargs).flops  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001  # a model may raise anything
            return None
