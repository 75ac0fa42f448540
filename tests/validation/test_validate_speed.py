"""Validation of estimated speed: its figures, its protocols, and what it finds on a sample of published measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a distribution of their own
import numpy as np
import pandas as pd
import pytest
from paths import SHARED
from typer.testing import CliRunner

from reports.cli import app
from reports.cli.common.answers import answer_schema
from zoo.estimation.constants import parse_constants, shipped_constants
from zoo.estimation.fitting import Sample, fit, step_seconds
from zoo.settings import Execution
from zoo.validation.measured_models import TraceSource
from zoo.validation.measured_sets import MeasuredSet, by_term_model, join_files
from zoo.validation.metrics import agreement, rank_correlation
from zoo.validation.protocols import predict, validate

TIMM = SHARED / "data" / "timm"
FILES = sorted(TIMM.glob("speed-infer-*.csv"))
needs_files = pytest.mark.skipif(len(FILES) < 6, reason="timm's published speed tables are not beside the checkout")

# Small models of many families, so that tracing them is quick.
MODELS = """resnet18 resnet50 resnext50_32x4d mobilenetv2_100 mobilenetv3_large_100 efficientnet_b0 regnety_008
    vit_tiny_patch16_224 vit_base_patch16_224 deit_small_patch16_224 swin_tiny_patch4_window7_224 convnext_tiny convnext_nano
    vgg16 mixer_b16_224 pit_s_224 poolformer_s12 edgenext_small mobilevit_s dla34 resmlp_12_224 gmlp_s16_224 rexnet_100
    seresnet50""".split()


def test_figures_of_agreement_are_those_of_their_names() -> None:
    measured = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    estimated = measured * [1.0, 1.1, 0.7, 1.2, 1.3]
    found = agreement(measured, estimated, measured * [0.9, 0.9, 0.9, 1.1, 1.1], measured * 2)
    assert found.models == 5
    assert found.median_error_percent == pytest.approx(20)
    assert found.p90_error_percent == pytest.approx(30)
    assert found.close_percent == pytest.approx(60)
    assert found.covered_percent == pytest.approx(60)
    assert found.rank_correlation == pytest.approx(1 - 6 * 2 / (5 * 24))  # two neighbours change places: 2.2 and 2.1


def test_rank_correlation_shares_the_ranks_of_ties() -> None:
    assert rank_correlation(np.array([1.0, 2.0, 2.0, 3.0]), np.array([10.0, 20.0, 20.0, 30.0])) == pytest.approx(1.0)
    assert rank_correlation(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1.0)


def made_up(models: int, constants: list[float], noise: float) -> Sample:
    generator = np.random.default_rng(7)
    terms = generator.lognormal(0, 1, (models, len(constants)))
    host = np.full(models, 1e-6)
    step = step_seconds(terms @ np.array(constants), host)
    return Sample(terms, host, step * np.exp(generator.normal(0, noise, models)))


def test_a_fit_finds_the_constants_that_made_the_times() -> None:
    constants = [0.5, 2.0, 9.0]
    found = fit([made_up(400, constants, 0.0)], np.ones(3), np.full(3, 1e-6))
    assert found == pytest.approx(constants, rel=1e-3)


def test_a_fit_is_little_moved_by_wild_measurements() -> None:
    constants = [0.5, 2.0, 9.0]
    sample = made_up(400, constants, 0.05)
    sample.measured_s[::20] *= 4
    assert fit([sample], np.ones(3), np.full(3, 1e-4)) == pytest.approx(constants, rel=0.1)


def test_a_constant_that_no_measurement_speaks_of_stays_neutral() -> None:
    sample = made_up(50, [1.0, 1.0], 0.0)
    sample.terms[:, 1] = 0
    sample.measured_s[:] = step_seconds(sample.terms[:, 0] * 3, sample.host_s)
    found = fit([sample], np.array([1.0, 4.0]), np.full(2, 1e-3))
    assert found == pytest.approx([3.0, 4.0], rel=0.01)


def test_a_host_bound_step_says_nothing_of_the_device() -> None:
    sample = made_up(50, [1.0], 0.0)
    slow_host = Sample(sample.terms, np.full(50, 1e3), np.full(50, 1e3))
    assert fit([slow_host], np.array([2.0]), np.full(1, 1e-3)) == pytest.approx([2.0], rel=0.05)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A cache with the sample's traces, and the files with its rows only."""
    folder = tmp_path_factory.mktemp("sampled")
    paths = []
    for file in FILES:
        table = pd.read_csv(file)
        rows = table[table["model"].str.split(".").str[0].isin(MODELS)].drop_duplicates("model")
        rows.to_csv(folder / file.name, index=False)
        paths.append(folder / file.name)
    join_files(paths, TraceSource(str(folder / "cache"), Execution(workers=2)))
    return folder / "cache", paths


@pytest.fixture(scope="module")
def groups(sampled: tuple[Path, list[Path]]) -> dict[str, list[MeasuredSet]]:
    cache, paths = sampled
    found = by_term_model(join_files(paths, TraceSource(str(cache))).sets)
    return dict(zip(["gpu-eager", "gpu-compiled", "cpu-compiled"], sorted(found, key=_order), strict=True))


def _order(group: list[MeasuredSet]) -> tuple[bool, bool]:
    return group[0].device.kind.endswith("cpu"), group[0].run.compiled


@needs_files
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most_median_percent", "least_close_percent"),
    [("gpu-eager", 8.0, 85), ("gpu-compiled", 11.0, 80), ("cpu-compiled", 16.0, 65)],
)
def test_shipped_constants_foresee_published_times(
    groups: dict[str, list[MeasuredSet]], name: str, most_median_percent: float, least_close_percent: float
) -> None:
    for file in groups[name]:
        assert len(file.model) >= len(MODELS) - 2
        predicted = np.exp(predict(file, shipped_constants()[name]).log_step)
        found = agreement(file.measured_s, predicted)
        assert found.median_error_percent < most_median_percent, file.name
        assert found.close_percent > least_close_percent, file.name


@needs_files
@pytest.mark.slow
def test_no_large_part_of_the_time_is_left_out_or_counted_twice(groups: dict[str, list[MeasuredSet]]) -> None:
    """Halving or doubling what takes a twentieth of the time or more makes estimates worse on the whole."""
    constants = shipped_constants()["gpu-eager"]
    names = groups["gpu-eager"][0].matrix.names
    values = constants.of_terms(names)
    terms = np.concatenate([file.matrix.model_seconds() for file in groups["gpu-eager"]])
    measured = np.concatenate([file.measured_s for file in groups["gpu-eager"]])
    shares = (terms * values).sum(axis=0) / (terms @ values).sum()

    def error(values: Any) -> float:
        return float(np.mean(np.abs(np.log(terms @ values / measured))))

    large = [i for i, share in enumerate(shares) if share > 0.05]
    assert len(large) >= 3
    for i in large:
        for factor in (0.5, 2.0):
            changed = values.copy()
            changed[i] *= factor
            assert error(changed) > 1.02 * error(values), (names[i], factor)


@needs_files
@pytest.mark.slow
def test_data_sheets_alone_beat_macs(groups: dict[str, list[MeasuredSet]]) -> None:
    for tests in validate(groups["gpu-eager"], draws=20):
        by_protocol = {test.protocol: test.agreement for test in tests}
        assert by_protocol["data sheet only"].median_error_percent < 15
        alone = by_protocol["GMACs alone, ten calibrating"]
        assert alone.median_error_percent > 2 * by_protocol["data sheet only, ten calibrating"].median_error_percent
        assert by_protocol["data sheet only"].covered_percent is not None


@needs_files
@pytest.mark.slow
def test_the_command_prints_each_protocol_and_writes_constants(sampled: tuple[Path, list[Path]]) -> None:
    cache, paths = sampled
    written = cache.parent / "constants.yaml"
    options = ["--cache", str(cache), "--quiet"]
    shown = CliRunner().invoke(app, ["validate-speed", str(paths[0]), str(paths[2]), *options, "--worst", "2"])
    assert shown.exit_code == 0, shown.output
    for words in ("data sheet only, ten calibrating", "GMACs alone", "times what was measured", paths[0].name):
        assert words in shown.output
    asked = ["validate-speed", str(paths[0]), str(paths[2]), *options, "--format", "json", "--write-constants", str(written)]
    found = CliRunner().invoke(app, asked)
    record: dict[str, Any] = json.loads(found.stdout)
    jsonschema.Draft202012Validator(answer_schema("validate-speed")).validate(record)
    assert [file["file"] for file in record["files"]] == [paths[0].name, paths[2].name]
    assert record["files"][0]["protocols"][0]["families"]
    assert parse_constants(written.read_text())["gpu-eager"].fitted_on[0].startswith(paths[0].name)


@needs_files
@pytest.mark.slow
def test_a_table_of_an_unknown_device_says_what_to_do(sampled: tuple[Path, list[Path]], tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("model,device,dtype,latency_ms\ntimm/resnet18,toaster,fp16,3\n")
    found = CliRunner().invoke(app, ["validate-speed", str(table), "--cache", str(sampled[0]), "--quiet"])
    assert found.exit_code == 2
    assert "the device toaster is not known; describe it with --devices FILE" in found.output
