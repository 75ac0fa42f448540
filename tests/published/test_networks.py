"""Networks that no zoo has and that were measured: they have the parameters and multiply-accumulates that are published."""

from __future__ import annotations

import pandas as pd
import pytest
from ncnn_networks import FAMILIES, NETWORKS, ZOO
from network_features import network_features

import zoo
from zoo.estimation.platforms.features import FEATURES
from zoo.inputs import parse_input
from zoo.published.published import Check, built_networks, published_speeds
from zoo.records import MODEL_COLUMNS

ROWS = published_speeds(near=True)
BUILT = ROWS[ROWS["check"] == Check.BUILT.value].drop_duplicates(["zoo", "arch", "input"])


def test_every_network_was_measured_and_every_one_that_is_named_is_built() -> None:
    assert set(BUILT["arch"]) == set(NETWORKS)
    assert set(BUILT["zoo"]) == {ZOO}
    assert set(FAMILIES) <= set(NETWORKS)


@pytest.mark.parametrize("arch", sorted(BUILT["arch"]))
def test_a_network_costs_what_its_row_says_and_what_its_file_has(arch: str) -> None:
    (row,) = BUILT[BUILT["arch"] == arch].to_dict("records")
    counted = zoo.count(NETWORKS[arch]().eval(), parse_input(row["input"]))
    assert (counted.params, counted.macs) == (row["params"], row["macs"])
    if isinstance(row["figures_from"], str):  # counted layer by layer from the file that the benchmark runs
        assert (counted.params, counted.macs) == (row["published_params"], row["published_macs"])


def test_rows_of_networks_are_shown_nowhere() -> None:
    shown = published_speeds()
    assert not shown["zoo"].isin(["ncnn"]).any()
    assert len(BUILT) >= 10


@pytest.mark.parametrize("arch", sorted(BUILT["arch"]))
def test_the_file_has_the_features_of_a_network(arch: str) -> None:
    (row,) = BUILT[BUILT["arch"] == arch].to_dict("records")
    shipped = built_networks()
    own = shipped[shipped["arch"] == arch].reset_index(drop=True)
    made = network_features(arch, row["input"], row["variant"])
    pd.testing.assert_frame_equal(
        own[[*MODEL_COLUMNS, *FEATURES]], made[[*MODEL_COLUMNS, *FEATURES]], check_exact=True, check_dtype=False
    )
    assert tuple(own.loc[0, ["family_zoo", "family_arch"]].fillna("")) == FAMILIES.get(arch, ("", ""))
