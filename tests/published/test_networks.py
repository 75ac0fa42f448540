"""Networks that no zoo has and that were measured: they have the parameters and multiply-accumulates that are published."""

from __future__ import annotations

import pytest

import zoo
from zoo.inputs import parse_input
from zoo.published.matching import Check
from zoo.published.networks import RELATIVES, networks
from zoo.published.published import published_speeds

ROWS = published_speeds(near=True)
BUILT = ROWS[ROWS["check"] == Check.BUILT.value].drop_duplicates(["zoo", "arch", "input"])


def test_every_network_was_measured_and_every_one_that_is_named_is_built() -> None:
    assert set(BUILT["arch"]) == set(networks("ncnn"))
    assert {name for _, name in RELATIVES} <= set(networks("ncnn"))
    with pytest.raises(KeyError):
        networks("nobody's")


@pytest.mark.parametrize("arch", sorted(BUILT["arch"]))
def test_a_network_costs_what_its_row_says_and_what_its_file_has(arch: str) -> None:
    (row,) = BUILT[BUILT["arch"] == arch].to_dict("records")
    counted = zoo.count(networks(row["zoo"])[arch]().eval(), parse_input(row["input"]))
    assert (counted.params, counted.macs) == (row["params"], row["macs"])
    if isinstance(row["figures_from"], str):  # counted layer by layer from the file that the benchmark runs
        assert (counted.params, counted.macs) == (row["published_params"], row["published_macs"])


def test_rows_of_networks_are_shown_nowhere() -> None:
    shown = published_speeds()
    assert not shown["zoo"].isin(["ncnn"]).any()
    assert len(BUILT) >= 10
