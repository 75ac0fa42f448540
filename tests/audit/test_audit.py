"""Published tables held against our counts: rounding, ways of counting, verdicts, planted errors."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models_for_tests import architectures
from timm.layers.config import set_fused_attn
from torch import Tensor, nn

from reports.audit.audit import Audit, audit_table
from reports.audit.counting_method import Attention, CountingMethod, MacsUnit, all_methods
from reports.audit.model_counts import ModelCounts
from reports.audit.printed_number import PrintedNumber
from reports.audit.published_table import ColumnMapping, PublishedRow, read_csv, rows_of_metadata
from reports.audit.table_comparison import compare_tables
from reports.audit.table_convention import find_table_convention
from reports.audit.verdicts import AuditedRow, Verdict, judge
from zoo.adapters.registry import open_zoo
from zoo.api.example_cost import example_cost
from zoo.counting.count_model import count_model
from zoo.errors import AuditError
from zoo.inputs import parse_input
from zoo.meta.build import build_on_meta
from zoo.recording.memo import Memo
from zoo.records import CostKey, PublishedCost

MODELS = (
    "resnet10t",
    "mobilenetv3_small_050",
    "test_vit",
    "vit_tiny_patch16_224",
    "ghostnet_100",
    "levit_128s",
    "nf_resnet26",
    "repvgg_a0",
)
MEMO = Memo()


def counted(key: CostKey) -> ModelCounts:
    cost = count(key)
    return ModelCounts.from_operations(cost.params, cost.rows)


@cache
def count(key: CostKey):  # type: ignore[no-untyped-def]
    zoo = open_zoo(key.zoo)
    model = build_on_meta(lambda: zoo.build(key.arch, zoo.build_options(key)), zoo.initialisers())
    example = zoo.example(model, key)
    return example_cost(example, lambda memo: count_model(model, example.args, memo), MEMO)


class Counter:
    """Counts in this process, without a cache."""

    def __init__(self) -> None:
        self.known: dict[CostKey, ModelCounts] = {}

    def count_models(self, keys: Iterable[CostKey]) -> Mapping[CostKey, ModelCounts]:
        for key in keys:
            if key not in self.known:
                try:
                    self.known[key] = counted(key)
                except Exception:  # noqa: BLE001, S112  # a size that the model cannot take
                    continue
        return self.known


def key_of(arch: str, size: int | None = None) -> CostKey:
    described = architectures("timm")[arch]
    return CostKey("timm", arch, f"3x{size}x{size}" if size else described.input, described.classes)


def size_of(key: CostKey) -> str:
    return key.input.rsplit("x", 1)[-1]


def printed(counting: CountingMethod, keys: Iterable[CostKey]) -> list[dict[str, str]]:
    """A table as timm's benchmark prints it, of models counted in some way."""
    table = []
    for key in keys:
        given = counting.figures(counted(key))
        table.append(
            {
                "model": key.arch,
                "infer_img_size": size_of(key),
                "infer_gmacs": f"{float(given['macs']) / 1e9:.4f}",
                "infer_macts": f"{float(given['activations']) / 1e6:.4f}",
                "param_count": f"{float(given['params']) / 1e6:.2f}",
            }
        )
    return table


def held(table: list[dict[str, str]], folder: Path) -> Audit:
    path = folder / "table.csv"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]))
    writer.writeheader()
    writer.writerows(table)
    path.write_text(text.getvalue())
    zoo = open_zoo("timm")
    counter = Counter()
    return audit_table(
        read_csv(path),
        title="a table",
        zoo=zoo,
        architectures=list(architectures("timm").values()),
        count_models=counter.count_models,
        count_hypotheses=counter.count_models,
    )


def row_of(found: Audit, name: str) -> AuditedRow:
    (row,) = [row for row in found.rows if row.published.name == name]
    return row


@given(st.integers(1, 10**12), st.integers(0, 4), st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_a_figure_admits_exactly_what_would_be_printed_as_it(value: int, decimals: int, scale: int) -> None:
    figure = PrintedNumber.parse(f"{value / 10**decimals:.{decimals}f}", scale=scale)
    exact, unit = (
        Fraction(round(Fraction(f"{value / 10**decimals:.{decimals}f}") * 10**decimals), 10**decimals) * scale,
        Fraction(scale, 10**decimals),
    )
    assert figure.admits(exact)
    assert figure.admits(exact + unit / 2)
    assert figure.admits(exact - unit / 2)
    assert not figure.admits(exact + unit / 2 + Fraction(1, 10**6))
    assert not figure.admits(exact - unit / 2 - Fraction(1, 10**6))


def test_a_column_that_drops_trailing_zeros_is_as_precise_as_its_longest_figure() -> None:
    assert PrintedNumber.parse("4.1", decimals=2).admits(Fraction("4.105"))
    assert not PrintedNumber.parse("4.1", decimals=2).admits(Fraction("4.106"))
    assert PrintedNumber.parse("1,014.45", scale=10**6).admits(1_014_450_000)


@pytest.mark.parametrize("arch", ["vit_tiny_patch16_224", "levit_128s", "resnet10t"])
def test_attention_as_separate_products_is_what_an_unfused_model_has(arch: str) -> None:
    fused = counted(key_of(arch))
    set_fused_attn(enable=False)
    try:
        zoo, key = open_zoo("timm"), key_of(arch)
        model = build_on_meta(lambda: zoo.build(arch, zoo.build_options(key)), zoo.initialisers())
        unfused = count_model(model, zoo.example(model, key).args)
    finally:
        set_fused_attn(enable=True)
    figures = CountingMethod("matmul", Attention.SEPARATE).figures(fused)
    assert [figures["macs"], figures["activations"]] == [unfused.macs, unfused.activations]


def by_fvcore(model: nn.Module, image: Tensor) -> list[int]:
    """The tool's own MACs, which it calls flops, and activations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

        analyses = [kind(model, image).unsupported_ops_warnings(False) for kind in (FlopCountAnalysis, ActivationCountAnalysis)]
        return [int(analysis.uncalled_modules_warnings(False).total()) for analysis in analyses]


@pytest.mark.parametrize("arch", ["test_vit", "resnet10t", "nf_resnet26"])
def test_the_tool_s_own_figures_are_read_as_such(arch: str) -> None:
    """fvcore on the CPU has no rule for fused attention."""
    key, zoo = key_of(arch)._replace(input="3x96x96"), open_zoo("timm")
    model = zoo.build(arch, zoo.build_options(key)).eval()
    figures = CountingMethod("fvcore", Attention.MISSED, misses_unseen=True).figures(counted(key))
    assert [figures["macs"], figures["activations"]] == by_fvcore(model, torch.zeros(1, *parse_input(key.input)))


def test_norms_in_training_mode() -> None:
    key, zoo = key_of("resnet10t", 64), open_zoo("timm")
    model = zoo.build(key.arch, zoo.build_options(key)).train()
    flops = by_fvcore(model, torch.zeros(2, *parse_input(key.input)))
    assert CountingMethod("fvcore", training_norms=True).figures(counted(key))["macs"] * 2 == flops[0]


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(all_methods()))
def test_the_way_a_table_counts_is_found_from_its_figures(counting: CountingMethod) -> None:
    keys = [key_of(arch) for arch in MODELS]
    counts = {key: counted(key) for key in keys}
    rows = []
    for line, key in enumerate(keys):
        given = counting.figures(counts[key])
        figures = {name: PrintedNumber.parse(f"{float(value) / 1e6:.3f}", scale=10**6) for name, value in given.items()}
        rows.append(PublishedRow(line, key.arch, "", figures, key))
    convention = find_table_convention(rows, counts)
    assert convention.agreeing == len(rows)
    for key in keys:  # another name for the same figures may be found
        assert convention.method.figures(counts[key]) == pytest.approx(counting.figures(counts[key]), rel=1e-3)
    assert all(judge(row, convention, counts, {}).verdict is Verdict.AGREES for row in rows)


def test_planted_errors_are_all_found_and_none_is_explained_away(tmp_path: Path) -> None:
    keys = [key_of(arch) for arch in MODELS] + [
        key_of("resnet14t"),
        key_of("resnet26d"),
        key_of("mnasnet_050"),
        key_of("efficientnet_b0"),
    ]
    table = printed(CountingMethod("fvcore", Attention.MISSED), keys)
    sound = held(table, tmp_path)
    assert {row.verdict for row in sound.rows} == {Verdict.AGREES}
    assert sound.convention.method.convention == "fvcore"
    by_name = {row["model"]: row for row in table}
    by_name["resnet10t"]["infer_gmacs"] = f"{2 * float(by_name['resnet10t']['infer_gmacs']):.4f}"
    first, second = by_name["resnet14t"], by_name["resnet26d"]
    first["model"], second["model"] = second["model"], first["model"]
    figure = by_name["mnasnet_050"]["infer_macts"]
    by_name["mnasnet_050"]["infer_macts"] = figure[:-3] + str((int(figure[-3]) + 4) % 10) + figure[-2:]
    by_name["efficientnet_b0"]["infer_img_size"] = "288"
    found = held(table, tmp_path)
    planted = {"resnet10t", "resnet14t", "resnet26d", "mnasnet_050", "efficientnet_b0"}
    assert {row.published.name for row in found.rows if row.verdict is not Verdict.AGREES} == planted
    assert row_of(found, "resnet10t").explanations == (("FLOPs instead of MACs, twice as many",),)
    assert row_of(found, "efficientnet_b0").explanations == (("at input 3x224x224, not 3x288x288",),)
    for name, other in (("resnet14t", "resnet26d"), ("resnet26d", "resnet14t")):
        assert row_of(found, name).verdict is Verdict.UNEXPLAINED
        assert row_of(found, name).near_misses[0].causes.startswith(f"the figures are those of {other} ")
    assert row_of(found, "mnasnet_050").verdict is Verdict.UNEXPLAINED


def test_another_head_and_the_other_variant_are_named(tmp_path: Path) -> None:
    """Whatever figures, the causes are those that were put in."""
    base = [key_of(arch) for arch in MODELS]
    table = printed(CountingMethod(), base)
    table += printed(CountingMethod(), [key_of("resnet26d")._replace(classes=21841)])
    table += printed(CountingMethod(), [key_of("mobileone_s0")._replace(variant="deploy")])
    found = held(table, tmp_path)
    assert row_of(found, "mobileone_s0").explanations == (("of the re-parameterised model",),)
    causes = [cause for (cause,) in row_of(found, "resnet26d").explanations]
    assert causes[0].startswith("with 21841 classes")
    assert all(cause.startswith("with 2184") for cause in causes)  # heads of a class more or less print alike


def test_two_tables_differ_by_what_was_done_otherwise(tmp_path: Path) -> None:
    keys = [key_of(arch) for arch in MODELS]
    first = held(printed(CountingMethod("fvcore", Attention.SEPARATE), keys), tmp_path)
    second = held(printed(CountingMethod("fvcore", Attention.MISSED), keys), tmp_path)
    differences = compare_tables(first, second, {}).differences
    with_attention = {key.arch for key in keys if counted(key).attention_macs}
    assert {difference.first.published.name for difference in differences} == with_attention
    assert {difference.causes for difference in differences} == {("fused attention not counted",)}


def test_older_names_are_joined_and_unknown_ones_are_said_to_be(tmp_path: Path) -> None:
    (row,) = printed(CountingMethod(), [key_of("resnet10t")])
    table = [row, {**row, "model": "resnet10t.c3_in1k"}, {**row, "model": "resnet11"}]
    found = held(table, tmp_path)
    assert [one.verdict for one in found.rows] == [Verdict.AGREES, Verdict.AGREES, Verdict.UNKNOWN]
    assert found.rows[-1].problem == "timm has no architecture 'resnet11'"
    aliases = open_zoo("timm").aliases()
    assert aliases["tv_resnet50"].partition(".")[0] == "resnet50"


def test_columns_of_any_table_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "paper.csv"
    path.write_text("Name,Size,GFLOPs,Weights\nresnet10t,176,2.2,5.4\n")
    (row,) = read_csv(
        path, [ColumnMapping.parse(text) for text in ("model=Name", "input=Size", "flops=GFLOPs:G", "params=Weights:M")]
    )
    assert row.numbers["macs"].middle == Fraction("1.1e9")
    assert row.numbers["params"].middle == Fraction("5.4e6")
    with pytest.raises(AuditError, match="has no columns that are known: Name, Size, GFLOPs, Weights"):
        read_csv(path)
    with pytest.raises(AuditError, match=r"has no column .GFLOP.\. Did you mean GFLOPs"):
        read_csv(path, [ColumnMapping.parse("macs=GFLOP:G"), ColumnMapping.parse("model=Name")])
    with pytest.raises(AuditError, match="maps no column"):
        ColumnMapping.parse("marcs=GFLOPs")
    for text in ("much", "1e999999999", "1/3", "1/0", "9" * 5_000):
        path.write_text(f"model,gmacs\nresnet10t,{text}\n")
        with pytest.raises(AuditError, match=r"line 2: '.+' in column gmacs is no number"):
            read_csv(path)


def test_a_heading_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "paper.csv"
    path.write_text("model,gmacs,gmacs\nresnet10t,1,2\n")
    with pytest.raises(AuditError, match="has two columns 'gmacs'"):
        read_csv(path)


def test_what_a_zoo_states_of_itself_has_its_own_precision() -> None:
    (row,) = rows_of_metadata([PublishedCost("net", "V1", "3x224x224", 25_557_032, 4.09, 3)])
    assert (row.name, row.size) == ("net.V1", "3x224x224")
    assert row.numbers["params"].low == Fraction("25557031.5")
    assert row.numbers["macs"].high == Fraction("4.0905e9")


def test_ways_of_counting_are_distinct_and_said_in_words() -> None:
    ways = all_methods()
    assert len(set(ways)) == len(ways)
    assert ways[0] == CountingMethod()
    assert len({str(way) for way in ways if way.unit is MacsUnit.MACS}) == sum(w.unit is MacsUnit.MACS for w in ways)
    assert str(replace(CountingMethod("fvcore"), attention=Attention.MISSED)) == "convention fvcore, fused attention not counted"


def test_detectors_published_for_an_image_with_little_on_it(tmp_path: Path) -> None:
    """torchvision measured its own on noise: Keypoint R-CNN's two weights with no person and with one."""
    zoo = open_zoo("torchvision")
    known = list(architectures("torchvision").values())
    published = [
        cost for cost in zoo.published_costs() if cost.arch in ("keypointrcnn_resnet50_fpn", "resnet18", "squeezenet1_0")
    ]
    counter = Counter()
    found = audit_table(
        rows_of_metadata(published),
        title="metadata",
        zoo=zoo,
        architectures=known,
        count_models=counter.count_models,
        count_hypotheses=counter.count_models,
    )
    by_name = {row.published.name: row for row in found.rows}
    assert by_name["keypointrcnn_resnet50_fpn.COCO_LEGACY"].explanations == (
        ("for an image with detections 0, not for the maximum",),
    )
    assert by_name["keypointrcnn_resnet50_fpn.COCO_V1"].explanations == (
        ("for an image with detections 1, not for the maximum",),
    )
    assert {row.verdict for name, row in by_name.items() if "keypoint" not in name} == {Verdict.AGREES}


def test_rows_that_repeat_are_judged_alike_and_once(tmp_path: Path) -> None:
    (row,) = printed(CountingMethod(), [key_of("resnet10t")])
    other = {**row, "model": "resnet11"}
    found = held([row, other, *[row] * 2_000, other], tmp_path)
    assert [one.published.line for one in found.rows] == list(range(2, 2_005))
    assert found.verdicts == {Verdict.AGREES: 2_001, Verdict.UNKNOWN: 2, Verdict.EXPLAINED: 0, Verdict.UNEXPLAINED: 0}
