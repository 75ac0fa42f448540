"""Writes the features of the networks that no zoo has: `python tests/benchmarks/data_files/network_features.py`.

Estimates on platforms are fitted to published times of these networks too. The product has their features, so that it need not
build them; a test compares the file with what this program makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3])]

import pandas as pd  # noqa: E402 the folders of a script's neighbours are not searched by themselves
from ncnn_networks import FAMILIES, NETWORKS, ZOO  # noqa: E402

from zoo.api.count_module import trace  # noqa: E402
from zoo.estimation.platforms.features import TRACED, features_of  # noqa: E402
from zoo.estimation.workloads.workload import summarise  # noqa: E402
from zoo.inputs import parse_input  # noqa: E402
from zoo.published.published import NETWORKS_FILE, Check, published_speeds  # noqa: E402
from zoo.records import MODEL_COLUMNS  # noqa: E402

FILE = Path(__file__).resolve().parents[3] / "zoo" / "published" / NETWORKS_FILE


def network_features(arch: str, input: str, variant: str) -> pd.DataFrame:
    """The row of one network at the input at which it was measured."""
    traced = trace(NETWORKS[arch]().eval(), parse_input(input), precision=TRACED.precision, layout=TRACED.layout)
    workloads = pd.DataFrame(summarise(traced)).assign(zoo=ZOO, arch=arch, input=input, variant=variant)
    row = features_of(workloads, MODEL_COLUMNS).reset_index()
    family_zoo, family_arch = FAMILIES.get(arch, ("", ""))
    row.insert(len(MODEL_COLUMNS), "family_zoo", family_zoo)
    row.insert(len(MODEL_COLUMNS) + 1, "family_arch", family_arch)
    return row


def main() -> None:
    """Write the file."""
    rows = published_speeds(near=True)
    built = rows.loc[rows["check"] == Check.BUILT.value, MODEL_COLUMNS].drop_duplicates().sort_values(MODEL_COLUMNS)
    table = pd.concat(
        [network_features(arch, input, variant) for _, arch, input, variant in built.astype(str).to_numpy().tolist()]
    )
    table.to_csv(FILE, index=False)


if __name__ == "__main__":
    main()
