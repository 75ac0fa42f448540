"""What a run counts: all that is asked for, less what the cache has from the same versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import starmap
from typing import Any

import pandas as pd
import pytest
from jobs_for_tests import job_of

from zoo.cache.schema.tables import table_of
from zoo.cache.store import to_pandas
from zoo.errors import UnknownNameError
from zoo.jobs import Failure
from zoo.records import Accuracy, Architecture, CostKey, DeclaredModel, Versions, Weights
from zoo.refresh.plan import Plan, check_input_globs, cost_keys, current_rows, make_plan, requested_costs
from zoo.settings import ZooSettings

NOW = Versions("1.0", "2.14", "1")
VERSIONS = {"timm": NOW, "mine": NOW}


def weights(tag: str, classes: int | None, input: str) -> Weights:
    return Weights("timm", "net", tag, "classification", "imagenet-1k", classes, input)


NET = Architecture(
    "timm",
    "net",
    "classification",
    "nets",
    "3x256x256",
    1000,
    (weights("a", 1000, "3x256x256"), weights("b", 21843, "3x288x288")),
)
BARE = Architecture("timm", "bare", "classification", None, "3x160x160", None)
FORMS = replace(BARE, classes=1000, variants=("base", "deploy", "features"))
VIDEO = Architecture("timm", "video", "video", None, "3x16x112x112", 400)


def measured(tag: str, input: str, metric: str = "top1", arch: str = "net") -> Accuracy:
    return Accuracy("timm", arch, tag, "imagenet-1k", metric, input, 80.0, "source", "2026-01-02")


def wanted(
    *architectures: Architecture,
    inputs: tuple[str, ...] = ("native",),
    results: tuple[Accuracy, ...] = (),
    variants: tuple[str, ...] = ("base",),
) -> dict[tuple[Any, ...], str | None]:
    keys = requested_costs(architectures, ZooSettings(inputs=inputs, variants=variants), results)
    return {(key.arch, key.input, key.classes, key.variant): str(failure) if failure else None for key, failure in keys.items()}


def test_native_is_the_input_of_the_architecture_and_of_each_of_its_weights() -> None:
    assert wanted(NET, BARE) == {
        ("net", "3x256x256", 1000, "base"): None,
        ("net", "3x288x288", 21843, "base"): None,
        ("bare", "3x160x160", None, "base"): None,
    }


def test_default_is_the_input_of_the_architecture_alone() -> None:
    assert wanted(NET, BARE, inputs=("default",)) == {
        ("net", "3x256x256", 1000, "base"): None,
        ("bare", "3x160x160", None, "base"): None,
    }
    assert wanted(NET, inputs=("default", "native")) == wanted(NET)


@pytest.mark.parametrize(
    ("size", "input"), [("224", "3x224x224"), ("384x512", "3x384x512"), ("1x28x28", "1x28x28"), (" 3X64X64 ", "3x64x64")]
)
def test_a_configured_size_is_counted_with_the_architecture_s_own_head(size: str, input: str) -> None:
    assert wanted(NET, inputs=(size,)) == {("net", input, 1000, "base"): None}


def test_a_size_keeps_the_frames_of_a_video() -> None:
    assert set(wanted(VIDEO, inputs=("224", "96x128"))) == {
        ("video", "3x16x224x224", 400, "base"),
        ("video", "3x16x96x128", 400, "base"),
    }


def test_sizes_that_mean_the_same_are_one_row() -> None:
    assert len(wanted(NET, inputs=("256", "3x256x256", "256x256"))) == 1
    assert len(wanted(NET, inputs=("native", "256"))) == 2  # and the input of the other weights


def test_inputs_at_which_accuracy_is_known_are_counted_with_the_head_of_those_weights() -> None:
    results = (
        measured("a", "3x320x320"),
        measured("a", "3x320x320", "top5"),
        measured("b", "3x384x384"),
        measured("a", "3x64x64", arch="else"),
    )
    assert set(wanted(NET, inputs=("224",), results=results)) == {
        ("net", "3x224x224", 1000, "base"),
        ("net", "3x320x320", 1000, "base"),
        ("net", "3x384x384", 21843, "base"),
    }


def test_results_of_unknown_weights_add_nothing() -> None:
    assert wanted(NET, results=(measured("z", "3x320x320"),)) == wanted(NET)


def test_a_variant_is_a_row_where_the_architecture_has_it() -> None:
    assert set(wanted(FORMS, variants=("base", "deploy"))) == {
        ("bare", "3x160x160", 1000, "base"),
        ("bare", "3x160x160", 1000, "deploy"),
    }
    assert set(wanted(BARE, variants=("base", "deploy"))) == {("bare", "3x160x160", None, "base")}
    assert wanted(BARE, variants=("deploy",)) == {}


def test_a_backbone_has_no_outputs_and_who_asks_in_vain_is_told() -> None:
    assert wanted(FORMS, variants=("features",)) == {("bare", "3x160x160", 0, "features"): None}
    assert wanted(BARE, variants=("features",)) == {
        ("bare", "3x160x160", 0, "features"): "variant: zoo timm gives no backbones without their heads"
    }


def test_each_batch_is_a_row() -> None:
    keys = requested_costs([BARE], ZooSettings(batches=(1, 8)), ())
    assert list(keys) == [CostKey("timm", "bare", "3x160x160", None, "base", batch) for batch in (1, 8)]


def test_the_user_s_head_and_channels_replace_those_of_the_architecture_and_its_weights() -> None:
    settings = ZooSettings(inputs=("native", "64"), classes=7, in_channels=1)
    results = (measured("a", "3x320x320"),)
    assert {(key.input, key.classes) for key in requested_costs([NET], settings, results)} == {
        ("1x256x256", 7), ("1x288x288", 7), ("1x64x64", 7), ("1x320x320", 7)
    }  # fmt: skip
    assert {key.classes for key in requested_costs([BARE], settings, ())} == {None}  # it alone decides


def test_the_first_glob_that_matches_decides_on_the_inputs() -> None:
    settings = ZooSettings(inputs=("64",), inputs_for=(("n?t", ("native", "32")), ("*e*", ("96",))))
    assert [key.input for key in requested_costs([NET], settings, ())] == ["3x256x256", "3x32x32", "3x288x288"]
    assert [key.input for key in requested_costs([BARE], settings, ())] == ["3x96x96"]
    assert [key.input for key in requested_costs([VIDEO], settings, ())] == ["3x16x96x96"]
    assert [key.input for key in requested_costs([replace(BARE, name="x")], settings, ())] == ["3x64x64"]


def test_a_glob_that_matches_nothing_is_an_error() -> None:
    settings = ZooSettings(inputs_for=(("net", ("32",)), ("nut", ("64",))))
    with pytest.raises(UnknownNameError, match=r"^inputs_for: no architecture matches 'nut'\. Did you mean net\?$"):
        check_input_globs([NET, BARE], settings)
    check_input_globs([NET], ZooSettings(inputs_for=(("*", ("32",)),)))


def test_native_is_every_input_of_a_declared_model() -> None:
    declared = replace(BARE, input="28x28", inputs=("28x28", "32x32"))
    assert [key.input for key in requested_costs([declared], ZooSettings(inputs=("native", "28x28")), ())] == ["28x28", "32x32"]


@pytest.mark.parametrize("size", ["3x16x224x224", "5x5x5x5x5"])
def test_a_size_that_does_not_fit_is_a_known_failure_and_stops_no_other(size: str) -> None:
    assert wanted(BARE, inputs=(size, "64")) == {
        ("bare", size, None, "base"): f"input: Input '{size}' does not fit a model that takes 3x160x160.",
        ("bare", "3x64x64", None, "base"): None,
    }


def test_a_size_that_cannot_be_read_is_a_known_failure() -> None:
    (reason,) = wanted(BARE, inputs=("small",)).values()
    assert reason is not None
    assert reason.startswith("input: 'small' is not an input shape. Write whole numbers joined by x")


def test_what_cannot_be_counted_is_known_to_fail_with_the_zoo_s_reason() -> None:
    detector = Architecture("timm", "detector", "detection", None, "3x800x800", 91, uncountable="no detectors yet")
    assert wanted(detector, inputs=("native", "224")) == dict.fromkeys(
        [("detector", "3x800x800", 91, "base"), ("detector", "3x224x224", 91, "base")], "plan: no detectors yet"
    )


def costs(*rows: dict[str, Any]) -> pd.DataFrame:
    common = {"variant": "base", "batch": 1, "status": "exact", "counted_at": datetime(2026, 1, 2, tzinfo=UTC)}
    versions = {"library_version": NOW.library, "torch_version": NOW.torch, "counter_version": NOW.counter}
    return to_pandas(table_of("costs", [{**common, **versions, **row} for row in rows]))


def row(key: CostKey, **columns: Any) -> dict[str, Any]:
    return {**key._asdict(), **columns}


NATIVE = CostKey("timm", "net", "3x256x256", 1000)
SMALL = CostKey("timm", "net", "3x224x224", 1000)
HEADLESS = CostKey("timm", "net", "3x224x224", 0)
OTHER = CostKey("timm", "other", "3x224x224", None)
KEYS = (NATIVE, SMALL, HEADLESS, OTHER)


def plan(
    cached: pd.DataFrame,
    *keys: CostKey,
    failing: tuple[CostKey, ...] = (),
    fingerprint: str | None = None,
    model: DeclaredModel | None = None,
) -> Plan:
    failure = Failure("plan", "InputError", "no")
    known = [
        replace(BARE, zoo=zoo, name=name, family="nets", fingerprint=fingerprint, declared=model)
        for zoo, name in {(key.zoo, key.arch) for key in (*keys, *failing)}
    ]
    return make_plan({**dict.fromkeys(keys), **dict.fromkeys(failing, failure)}, {}, [cached], VERSIONS, known)


def test_an_empty_cache_means_one_job_a_model_and_head() -> None:
    made = plan(costs(), *KEYS)
    assert tuple(made.jobs()) == (
        job_of("timm", "net", 1000, ("3x256x256", "3x224x224"), "base", family="nets"),
        job_of("timm", "net", 0, ("3x224x224",), "base", family="nets"),
        job_of("timm", "other", None, ("3x224x224",), "base", family="nets"),
    )
    assert made.costs == frozenset(KEYS)
    assert made.to_count == 4
    assert {key for job in made.jobs() for key in job.keys} == set(KEYS)


def test_rows_of_the_same_versions_are_not_counted_again() -> None:
    made = plan(costs(*map(row, KEYS)), *KEYS)
    assert (tuple(made.jobs()), made.known_failures, made.to_count) == ((), {}, 0)
    assert made.costs == frozenset(KEYS)


@pytest.mark.parametrize("kept", KEYS)
def test_each_part_of_the_key_tells_rows_apart(kept: CostKey) -> None:
    made = plan(costs(row(kept)), *KEYS)
    assert {key for job in made.jobs() for key in job.keys} == set(KEYS) - {kept}


def test_the_variant_and_the_zoo_tell_rows_apart() -> None:
    others = (NATIVE._replace(variant="deploy"), NATIVE._replace(zoo="mine"), NATIVE._replace(batch=2))
    made = plan(costs(row(NATIVE)), NATIVE, *others)
    assert {key for job in made.jobs() for key in job.keys} == set(others)


@pytest.mark.parametrize(("then", "now", "to_count"), [("a", "a", 0), ("a", "b", 1), (None, "a", 1), ("a", None, 1)])
def test_a_row_of_other_source_is_counted_again(then: str | None, now: str | None, to_count: int) -> None:
    made = plan(costs(row(NATIVE, fingerprint=then)), NATIVE, fingerprint=now)
    assert made.to_count == to_count


def test_a_job_carries_what_the_configuration_declares() -> None:
    model = DeclaredModel("net", factory="a.b:c", inputs=("3x256x256",))
    (job,) = plan(costs(), NATIVE, model=model).jobs()
    assert job.declared == model


@pytest.mark.parametrize("column", ["library_version", "torch_version", "counter_version"])
@pytest.mark.parametrize("version", ["0.9", None])
def test_rows_of_other_versions_are_counted_again(column: str, version: str | None) -> None:
    made = plan(costs(row(NATIVE, **{column: version}), row(OTHER)), NATIVE, OTHER)
    assert [job.arch for job in made.jobs()] == ["net"]


def test_versions_are_those_of_the_row_s_own_zoo() -> None:
    cached = costs(row(NATIVE), row(NATIVE._replace(zoo="mine")))
    current = set(cost_keys(current_rows(cached, {"timm": NOW, "mine": Versions("2.0", NOW.torch, NOW.counter)}, {})))
    assert current == {NATIVE}


@pytest.mark.parametrize("stage", ["timeout", "memory", "worker"])
def test_failures_that_may_pass_are_tried_again(stage: str) -> None:
    failed = row(NATIVE, status="failed", reason=f"{stage}: SomeError: because")
    assert plan(costs(failed), NATIVE).to_count == 1


@pytest.mark.parametrize("stage", ["plan", "input", "variant", "build", "run"])
def test_failures_that_are_facts_are_kept(stage: str) -> None:
    failed = row(NATIVE, status="failed", reason=f"{stage}: SomeError: timeout: worker: memory")
    assert plan(costs(failed), NATIVE).to_count == 0


def test_a_bound_whose_reason_begins_like_a_stage_is_kept() -> None:
    assert plan(costs(row(NATIVE, status="bound", reason="memory: an operator")), NATIVE).to_count == 0


def test_known_failures_are_written_once_without_a_job() -> None:
    made = plan(costs(), NATIVE, failing=(OTHER,))
    assert [job.arch for job in made.jobs()] == ["net"]
    assert set(made.known_failures) == {OTHER}
    assert made.to_count == 2
    reason = "input: no"
    assert plan(costs(row(OTHER, status="failed", reason=reason)), NATIVE, failing=(OTHER,)).known_failures == {}


def test_what_nobody_asks_for_any_more_is_not_planned() -> None:
    made = plan(costs(row(NATIVE), row(SMALL)), OTHER)
    assert made.costs == {OTHER}


def test_keys_of_the_cost_table_are_plain_values() -> None:
    keys = cost_keys(costs(*map(row, KEYS)))
    assert tuple(keys) == KEYS
    assert [type(key.classes) for key in keys] == [int, int, int, type(None)]
    assert list(starmap(CostKey, keys)) == list(KEYS)
