"""Builds the data file of published speeds from collected tables: `python tests/benchmarks/data_files/publish_speeds.py FOLDER`.

Every published model is matched with an architecture (`published_matches.yaml`, or the table's own guess), that is counted at its
input, and the match is checked by the figures published. The same tables, zoos and matches give the same file.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[3])]

import pyarrow as pa  # noqa: E402 the folders of a script's neighbours are not searched by themselves
import pyarrow.compute as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import yaml  # noqa: E402
from collected_rows import Collected, read_collected  # noqa: E402
from match_checks import Ours, Printed, check_match, read_figure  # noqa: E402
from ncnn_networks import NETWORKS  # noqa: E402

from zoo.api.count_module import count  # noqa: E402
from zoo.cache.store import Store  # noqa: E402
from zoo.devices.data_sheets import shipped_devices  # noqa: E402
from zoo.devices.device import Device  # noqa: E402
from zoo.devices.device_names import DeviceNames  # noqa: E402
from zoo.errors import SpeedError, ZooError  # noqa: E402
from zoo.inputs import parse_input  # noqa: E402
from zoo.published.published import FILE, FOR_FITTING, NOTE, SCHEMA, Check, PublishedSource  # noqa: E402
from zoo.records import CostKey, Status, Variant  # noqa: E402
from zoo.refresh.fill_missing import fill_missing, list_architectures  # noqa: E402

MATCHES = Path(__file__).with_name("published_matches.yaml")
_ZOOS = ("timm", "torchvision")
_ANY_CLASSES = 0
"""Of a network that no zoo has: it is built in one way."""
_NO_ARCHITECTURE = "no architecture of timm or torchvision is known for it"
_log = logging.getLogger(__name__)

Model = tuple[str, str, str]
"""A published model: source, its name there, and the input there."""


@dataclass(frozen=True, slots=True)
class _Match:
    """The architecture that a published model is thought to be."""

    key: CostKey
    params: Printed | None
    macs: Printed | None
    figures_from: str | None
    reason: str | None  # why it is not joined whatever the figures say
    is_network: bool  # of those that no zoo has


def build(folder: Path, cache: str) -> pa.Table:
    """The data file of the tables in a folder, with its sources and what could not be joined in the schema's metadata.

    Args:
        folder: has the files that `MATCHES` names.
        cache: where architectures are counted, or were.

    Raises:
        SpeedError: if a table cannot be read, or an architecture that `MATCHES` names cannot be counted.
    """
    said = yaml.safe_load(MATCHES.read_text(encoding="utf-8"))
    rows = [row for name, source in said["sources"].items() for row in read_collected(folder / source["file"], name)]
    models = {(row.source, row.model, row.input): row for row in rows}
    matches, reasons = _match_models(models, said["models"], _known_keys(cache))
    same_as = {name: [_split(other) for other in others] for name, others in said["same_as"].items()}
    ours = _count(matches.values(), same_as, cache)
    checked = {model: _checked(match, ours) for model, match in matches.items()}
    same = {model: _same(match.key, same_as, ours) for model, match in matches.items()}
    devices = _Devices(shipped_devices(), said["devices"])
    kept, unmatched = [], Counter[tuple[str, str, str, str]]()
    for row in rows:
        model = (row.source, row.model, row.input)
        device = devices.find(row)
        unknown = None if device else f"the table of devices does not have {row.device}"
        why = row.problem or reasons.get(model) or unknown or _exclusion(row, said["excluded"])
        if why is None:
            kept.append(
                _record(row, matches[model], checked[model], same[model], device) | dataclasses.asdict(ours[matches[model].key])
            )
            why = checked[model][1]
        if why is not None:
            unmatched[(*model, why)] += 1
    return _table(kept, unmatched, said["sources"], rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the collected tables")
    parser.add_argument("--cache", help="where to count; default: a folder that is removed afterwards")
    parser.add_argument(
        "--to", type=Path, default=Path(str(resources.files("zoo.published").joinpath(FILE))), help="the file to write"
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        try:
            table = build(given.folder, given.cache or folder)
        except ZooError as error:
            raise SystemExit(f"{error}") from None
    pq.write_table(table, given.to, compression="zstd", compression_level=19)
    for line in summary(table):
        _log.info(line)


def summary(table: pa.Table) -> Iterator[str]:
    """How much was joined, and what was not, for a reader."""
    others = {check: table.filter(pc.equal(table["check"], check.value)) for check in FOR_FITTING}
    joined = table.filter(pc.invert(pc.is_in(table["check"], pa.array([check.value for check in FOR_FITTING]))))
    parts = (("joined", joined), ("built, for fitting only", others[Check.BUILT]), ("near, for fitting only", others[Check.NONE]))
    for label, part in parts:
        models = len(set(zip(part["source"].to_pylist(), part["model"].to_pylist(), strict=True)))
        yield f"{label}: {part.num_rows:,} rows, {models} models, {len(set(part['device'].to_pylist()))} devices"
    by_check = Counter(joined["check"].to_pylist())
    yield "checked by: " + ", ".join(f"{check} ({rows:,} rows)" for check, rows in sorted(by_check.items()))
    unmatched: dict[str, int] = defaultdict(int)
    for one in json.loads(table.schema.metadata[NOTE.encode()])["unmatched"]:
        unmatched[f"{one['source']}: {one['reason']}"] += one["rows"]
    for reason, rows in sorted(unmatched.items(), key=lambda item: (-item[1], item[0])):
        yield f"not joined: {rows:,} rows of {reason}"


def _known_keys(cache: str) -> dict[tuple[str, str], CostKey]:
    """Of each architecture, the key of its cost at its native input."""
    return {(a.zoo, a.name): CostKey(a.zoo, a.name, a.input, a.classes) for a in list_architectures(cache, _ZOOS)}


def _match_models(
    models: Mapping[Model, Collected], said: Mapping[str, Mapping[str, Any]], known: Mapping[tuple[str, str], CostKey]
) -> tuple[dict[Model, _Match], dict[Model, str]]:
    """What each model is thought to be; and of the others, why they are nothing we have."""
    matches, reasons = {}, {}
    for model, row in models.items():
        entry = said.get(row.source, {}).get(row.model, {})
        name = entry.get("arch") or entry.get("like") or ("" if "reason" in entry else row.guess)
        key = CostKey(*_split(entry["network"]), "", _ANY_CLASSES) if "network" in entry else known.get(_split(name))
        if key is None:
            reasons[model] = entry.get("reason") or (f"{name}, its guess, does not exist" if name else _NO_ARCHITECTURE)
            continue
        key = key._replace(input=str(entry.get("input", row.input)), variant=str(entry.get("variant", Variant.BASE)))
        params, macs = read_figure(entry.get("params", row.params)), read_figure(entry.get("macs", row.macs))
        matches[model] = _Match(key, params, macs, entry.get("figures_from"), entry.get("reason"), "network" in entry)
    return matches, reasons


def _count(matches: Collection[_Match], same_as: Mapping[str, Sequence[tuple[str, str]]], cache: str) -> dict[CostKey, Ours]:
    known = _known_keys(cache)
    keys = {match.key for match in matches if not match.is_network}
    built = {match.key: _count_network(match.key) for match in matches if match.is_network}
    for key in list(keys):
        for other in same_as.get(f"{key.zoo}/{key.arch}", ()):
            keys.add(known[other]._replace(input=key.input, variant=key.variant))
    fill_missing(sorted(keys, key=str), cache)
    costs = Store(cache).costs()
    counted = {
        CostKey(row["zoo"], row["arch"], row["input"], row["classes"], row["variant"]): Ours(
            int(row["params"]), int(row["macs"]), int(row["total_all"])
        )
        for row in costs[costs["status"] != Status.FAILED.value].to_dict("records")
    }
    if missing := [f"{key.zoo}/{key.arch} at {key.input}" for key in sorted(keys, key=str) if key not in counted]:
        raise SpeedError(f"These could not be counted: {', '.join(missing)}.")
    return {key: counted[key] for key in keys} | built


def _count_network(key: CostKey) -> Ours:
    counted = count(NETWORKS[key.arch]().eval(), parse_input(key.input))
    return Ours(counted.params, counted.macs, counted.flops)


def _checked(match: _Match, ours: Mapping[CostKey, Ours]) -> tuple[Check, str | None]:
    check, why = check_match(match.params, match.macs, ours[match.key])
    if match.is_network and check is not Check.NONE:
        return Check.BUILT, match.reason
    return (Check.NONE, match.reason) if match.reason else (check, why)


def _same(key: CostKey, same_as: Mapping[str, Sequence[tuple[str, str]]], ours: Mapping[CostKey, Ours]) -> list[str]:
    """The architectures that compute the same.

    Raises:
        SpeedError: if one is said to and does not.
    """
    others = {(o.zoo, o.arch): counted for o, counted in ours.items() if (o.input, o.variant) == (key.input, key.variant)}
    same = []
    for zoo, arch in same_as.get(f"{key.zoo}/{key.arch}", ()):
        other, own = others[zoo, arch], ours[key]
        if (other.params, other.macs) != (own.params, own.macs):
            raise SpeedError(
                f"{zoo}/{arch} does not compute the same as {key.zoo}/{key.arch} at {key.input}: {other}, not {own}."
            )
        same.append(f"{zoo}/{arch}")
    return same


def _exclusion(row: Collected, excluded: Iterable[Mapping[str, str]]) -> str | None:
    """Why a row says nothing of its device: the first of `excluded` whose keys all agree."""
    has = {"source": row.source, "device": row.device, "processor": row.fields["processor"], "dtype": row.fields["dtype"]}
    return next((e["reason"] for e in excluded if all(has[key] == e[key] for key in has.keys() & e.keys())), None)


class _Devices:
    """Finds the device that a table means."""

    def __init__(self, known: Mapping[str, Device], said: Mapping[str, str]) -> None:
        self._names, self._said = DeviceNames(known.values()), said

    def find(self, row: Collected) -> str | None:
        """By what is said of its name, with its chip where that decides; else by the names that devices go by."""
        said = self._said.get(f"{row.device} / {row.soc}") or self._said.get(row.device)
        return said or self._names.exactly(row.device) or self._names.exactly(row.device.partition(" (")[0])


def _record(
    row: Collected, match: _Match, checked: tuple[Check, str | None], same: list[str], device: str | None
) -> dict[str, Any]:
    key = match.key
    return {
        "source": row.source, "model": row.model, "zoo": key.zoo, "arch": key.arch, "input": key.input, "variant": key.variant,
        "same_as": same, "check": checked[0].value, "reason": checked[1], "device": device, "soc": row.soc or None,
        "published_params": match.params and round(match.params.value), "published_macs": match.macs and round(match.macs.value),
        "figures_from": match.figures_from, **row.fields,
    }  # fmt: skip


def _table(
    records: Iterable[Mapping[str, Any]],
    unmatched: Mapping[tuple[str, str, str, str], int],
    sources: Mapping[str, Any],
    rows: Iterable[Collected],
) -> pa.Table:
    dates: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        dates[row.source].update(filter(None, [row.fields["date"]]))
    names = [one.name for one in dataclasses.fields(PublishedSource)]
    note = {
        "sources": {
            name: {**{key: source[key] for key in names if key in source}, "dates": sorted(dates[name])}
            for name, source in sources.items()
        },
        "unmatched": [
            {**dict(zip(("source", "model", "input", "reason"), key, strict=True)), "rows": count}
            for key, count in sorted(unmatched.items())
        ],
    }
    columns = SCHEMA.names
    ordered = sorted(({name: record.get(name) for name in columns} for record in records), key=_order)
    return pa.Table.from_pylist(ordered, schema=SCHEMA.with_metadata({NOTE: json.dumps(note, sort_keys=True)}))


def _order(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(record[name]) for name in ("source", "device", "runtime", "processor", "dtype", "model", "file"))


def _split(name: str) -> tuple[str, str]:
    zoo, _, arch = name.partition("/")
    return zoo, arch


if __name__ == "__main__":
    main()
