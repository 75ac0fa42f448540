"""Published measurements: the data file that comes with zoometer, a row a measurement.

The file is `published.parquet` beside this module; `tests/benchmarks/data_files/publish_speeds.py` builds it from collected tables.
Rows whose `check` is `not joined` are of models that are similar to an architecture: the columns zoo and arch name it, and `reason`
states the difference. Rows whose `check` is `built for fitting` are of networks that no zoo has, listed in `networks.csv`. Both are
only used to fit estimates.
"""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from io import BytesIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FILE = "published.parquet"
NETWORKS_FILE = "networks.csv"
"""Networks that no zoo has: an architecture of the same family, and the features that estimates are fitted to."""

NOTE = "zoometer.published"
"""Key of the schema's metadata: sources, and models that are not joined with the reasons, as JSON."""

FLOAT = "float"
"""The dtype of a float32 model whose runtime chooses between float16 and float32."""

SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),  # a key of the note's sources
        pa.field("file", pa.string(), nullable=False),  # in the source; `@` names its revision if the table does
        pa.field("model", pa.string(), nullable=False),  # as published
        *(pa.field(name, pa.string(), nullable=False) for name in ("zoo", "arch", "input", "variant")),
        pa.field("same_as", pa.list_(pa.string())),  # zoo/arch of architectures that compute the same
        pa.field("check", pa.string(), nullable=False),  # what the match was checked by
        pa.field("reason", pa.string()),  # why it is not joined
        pa.field("device", pa.string(), nullable=False),  # id in the table of devices
        pa.field("soc", pa.string()),  # as published
        pa.field("processor", pa.string(), nullable=False),  # one of `zoo.run_config.PROCESSORS`
        pa.field("threads", pa.int32()),
        pa.field("cores", pa.string()),  # which cores of a CPU: all, big or little
        pa.field("runtime", pa.string(), nullable=False),
        pa.field("dtype", pa.string(), nullable=False),  # float, int8, or the maker's name: w8a16
        pa.field("batch", pa.int32(), nullable=False),
        pa.field("latency_ms", pa.float64(), nullable=False),  # of a step; where a rate is published, batch / rate
        pa.field("latency_min_ms", pa.float64()),
        pa.field("latency_max_ms", pa.float64()),
        pa.field("is_rate", pa.bool_(), nullable=False),  # images per second of a stream: the time of one image was not published
        pa.field("layers", pa.int32()),  # as the runtime counts them
        pa.field("layers_on_npu", pa.int32()),
        pa.field("conditions", pa.string()),
        pa.field("date", pa.string()),  # of the table
        *(pa.field(name, pa.int64()) for name in ("published_params", "published_macs")),
        pa.field("figures_from", pa.string()),  # the document of those figures, where it is not the table
        *(pa.field(name, pa.int64(), nullable=False) for name in ("params", "macs")),  # ours
    ]
)


class Check(enum.StrEnum):
    """How the match of a published model with an architecture was checked."""

    FIGURES = "parameters and MACs"
    PARAMS = "parameters"
    MACS = "MACs"
    NAME = "name and input only"
    BUILT = "built for fitting"  # no architecture of a zoo, but a network of `NETWORKS_FILE`
    NONE = "not joined"  # a figure disagrees, or another reason is stated


FOR_FITTING = (Check.BUILT, Check.NONE)
"""Checks of models that are not an architecture of a zoo."""


@dataclass(frozen=True, slots=True)
class PublishedSource:
    """Where measurements come from."""

    title: str
    repository: str
    url: str
    license: str
    dates: tuple[str, ...] = ()


@functools.cache
def _published_table() -> pa.Table:
    data = BytesIO(resources.files("zoo.published").joinpath(FILE).read_bytes())
    return pq.ParquetFile(data).read()  # `read_table` imports pyarrow.dataset, which takes longer than the reading


@functools.cache
def published_sources() -> Mapping[str, PublishedSource]:
    """The sources by the name that rows give them."""
    sources = json.loads(_published_table().schema.metadata[NOTE.encode()])["sources"]
    return {name: PublishedSource(**{**source, "dates": tuple(source["dates"])}) for name, source in sources.items()}


def unmatched_models() -> pd.DataFrame:
    """Published models with rows that are not joined to an architecture: source, model, input, their number and the reason."""
    return pd.DataFrame(json.loads(_published_table().schema.metadata[NOTE.encode()])["unmatched"])


def published_speeds(device: str | None = None, *, near: bool = False) -> pd.DataFrame:
    """Published measurements, of one device or of all, a row a measurement.

    Args:
        device: its id.
        near: also those of models that are not an architecture or only similar to one, for fitting.
    """
    table = _published_table()
    if device is not None:
        table = table.filter(pc.equal(table["device"], device))
    if not near:
        table = table.filter(pc.invert(pc.is_in(table["check"], pa.array([check.value for check in FOR_FITTING]))))
    frame: pd.DataFrame = table.to_pandas()
    return frame.assign(samples_per_s=1000 * frame["batch"] / frame["latency_ms"])


def built_networks() -> pd.DataFrame:
    """The networks that no zoo has.

    Returns:
        zoo, arch, input and variant; family_zoo and family_arch, an architecture of the same family, missing where none is known; and
        the columns `zoo.estimation.platforms.features.FEATURES`.
    """
    with resources.files("zoo.published").joinpath(NETWORKS_FILE).open(encoding="utf-8") as file:
        table = pd.read_csv(file, dtype=str)
    names = ["zoo", "arch", "input", "variant", "family_zoo", "family_arch"]
    return table.astype(dict.fromkeys(table.columns.drop(names), float))  # exact, as Python reads numbers
