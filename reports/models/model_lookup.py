"""A few models by name, with everything that is known of them: from the cache, and counted now where the cache has no cost.

They are gathered in a temporary cache, so that everything that reads a cache can read them. The original cache is not changed.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pyarrow.compute as pc

from reports.models.model_latency import DeviceRun, latencies_on
from zoo.cache.store import Store
from zoo.errors import UnknownNameError, did_you_mean
from zoo.inputs import resize_input
from zoo.records import Architecture, CostKey, Selection, Weights
from zoo.refresh.plan import NATIVE, cost_keys
from zoo.settings import Execution, RefreshSettings, ZooSettings
from zoo.validation.calibration_store import copy_calibrations


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model by its name: an architecture, or one set of its weights."""

    architecture: Architecture
    weights: Weights | None = None  # None: the architecture was named

    @property
    def name(self) -> str:
        """`zoo/arch` or `zoo/arch.tag`."""
        return self.weights.name if self.weights else f"{self.architecture.zoo}/{self.architecture.name}"

    def key_at(self, size: str = NATIVE) -> CostKey:
        """The key of its cost, with its own number of classes, at its native input or at another size.

        Raises:
            InputError: if the size does not fit the model's input.
        """
        own = self.weights or self.architecture
        input = own.input if size == NATIVE else resize_input(size, own.input)
        return CostKey(self.architecture.zoo, self.architecture.name, input, own.classes)


@dataclass(frozen=True)
class ModelLookup:
    """The models, and a cache that holds only them."""

    models: tuple[NamedModel, ...]
    store: Store
    settings: RefreshSettings  # which select these models from that cache
    counted_now: frozenset[tuple[str, str]]  # zoo and architecture of those whose cost the original cache lacks
    device_run: DeviceRun | None = None  # the device whose latencies are requested


@contextlib.contextmanager
def look_up_models(
    names: Sequence[str], cache: str, zoos: Mapping[str, ZooSettings], size: str = NATIVE, device_run: DeviceRun | None = None
) -> Iterator[ModelLookup]:
    """Gathers what is known of models, for as long as the context lasts.

    Args:
        names: `zoo/arch` or `zoo/arch.tag` each.
        cache: the original cache; it may not exist.
        zoos: settings of zoos that a configuration declares.
        size: at which a cost is counted if the cache has none.
        device_run: the device whose latencies are requested; traces that their estimates need are made if the cache lacks them.

    Raises:
        UnknownNameError: if there is no such zoo, architecture or set of weights.
        InputError: if the size does not fit a model.
        ZooError: if a zoo cannot be opened.
    """
    original, split = Store(cache), [_split_name(name) for name in names]
    settings = {zoo: zoos.get(zoo, ZooSettings()) for zoo in dict.fromkeys(zoo for zoo, _ in split)}
    with tempfile.TemporaryDirectory(prefix="zoometer-") as folder:
        store = Store(folder)
        store.prepare()
        for name in ("weights", "architectures") if original.exists() else ():
            table = original.read(name, where={"zoo": list(settings)})
            store.replace(name, table, set(pc.unique(table["zoo"]).to_pylist()), original.notes(name))
        models = _find_models(split, store, settings)
        archs = {(model.architecture.zoo, model.architecture.name) for model in models}
        if original.exists():
            _copy_figures(original, store, archs)
        trace = device_run.trace_for(store) if device_run else None
        uncounted = _uncounted(models, store, size)
        if missing := uncounted | (_without_latency(models, store, size, device_run) if device_run and trace else frozenset()):
            from zoo.refresh.refresh import refresh

            chosen, traces = _selecting_settings(missing, settings, size), (trace,) if trace else ()
            refresh(RefreshSettings(folder, chosen, fetch_accuracy=False, execution=Execution(workers=1), traces=traces))
        yield ModelLookup(
            models, store, RefreshSettings(folder, _selecting_settings(archs, settings, size)), uncounted, device_run
        )


def _split_name(name: str) -> tuple[str, str]:
    zoo, _, rest = name.partition("/")
    if not zoo or not rest:
        raise UnknownNameError(
            f"'{name}' does not name a model. Write zoo/architecture or zoo/architecture.weights: timm/resnet50."
        )
    return zoo, rest


def _copy_figures(original: Store, store: Store, archs: set[tuple[str, str]]) -> None:
    """Copies accuracy, costs, operations, traces and measured speeds of the architectures, and all calibrations."""
    for zoo in {zoo for zoo, _ in archs}:
        where = {"zoo": [zoo], "arch": sorted(arch for of, arch in archs if of == zoo)}
        store.replace("accuracy", original.read("accuracy", where=where), {zoo}, original.notes("accuracy"))
        for name in ("ops", "costs", "workloads", "traces", "speed"):
            store.append(name, original.read(name, where=where))
    copy_calibrations(original, store)


def _uncounted(models: Sequence[NamedModel], store: Store, size: str) -> frozenset[tuple[str, str]]:
    """Zoo and architecture of the models without a cost at this size."""
    counted = set(cost_keys(store.costs(columns=["status"])))
    return frozenset((m.architecture.zoo, m.architecture.name) for m in models if m.key_at(size) not in counted)


def _without_latency(models: Sequence[NamedModel], store: Store, size: str, device_run: DeviceRun) -> frozenset[tuple[str, str]]:
    """Those of which no latency is known on the device."""
    keys, families = [model.key_at(size) for model in models], [model.architecture.family for model in models]
    latencies = latencies_on(device_run, keys, families, store)
    return frozenset((key.zoo, key.arch) for key, latency in zip(keys, latencies, strict=True) if latency.kind is None)


def _selecting_settings(
    archs: AbstractSet[tuple[str, str]], settings: Mapping[str, ZooSettings], size: str
) -> dict[str, ZooSettings]:
    """Settings that select these architectures at one size."""
    by_zoo = {zoo: tuple(sorted(arch for of, arch in archs if of == zoo)) for zoo in settings}
    return {zoo: ZooSettings(Selection(names), (size,), models=settings[zoo].models) for zoo, names in by_zoo.items() if names}


def _find_models(names: Sequence[tuple[str, str]], store: Store, zoos: Mapping[str, ZooSettings]) -> tuple[NamedModel, ...]:
    """The models, from the cached lists, and from the zoos where these do not have them."""
    from zoo.adapters.registry import zoo_names

    listed = {(a.zoo, a.name): a for a in store.architectures()}
    unknown = {zoo for zoo, rest in names if _find_model(zoo, rest, listed) is None}
    uninstalled = {zoo for zoo, _ in listed} - {*zoo_names(), *(zoo for zoo, settings in zoos.items() if settings.models)}
    if unknown - uninstalled:
        from zoo.refresh.catalogue import list_zoos, save_listings

        listings = list_zoos(RefreshSettings(store.address, {zoo: zoos[zoo] for zoo in sorted(unknown - uninstalled)}), store)
        save_listings(store, listings)
        listed |= {(a.zoo, a.name): a for listing in listings.values() for a in listing.architectures}
    return tuple(_find_model(zoo, rest, listed) or _raise_unknown(zoo, rest, listed) for zoo, rest in names)


def _find_model(zoo: str, rest: str, listed: Mapping[tuple[str, str], Architecture]) -> NamedModel | None:
    if (zoo, rest) in listed:
        return NamedModel(listed[zoo, rest])
    arch, _, tag = rest.partition(".")
    architecture = listed.get((zoo, arch))
    weights = next((w for w in architecture.weights if w.tag == tag), None) if architecture else None
    return NamedModel(architecture, weights) if architecture and weights else None


def _raise_unknown(zoo: str, rest: str, listed: Mapping[tuple[str, str], Architecture]) -> NamedModel:
    arch, _, tag = rest.partition(".")
    if (zoo, arch) in listed:
        tags = [weights.tag for weights in listed[zoo, arch].weights]
        raise UnknownNameError(f"{zoo}/{arch} has no weights '{tag}'.{did_you_mean(tag, tags)}")
    hint = did_you_mean(arch, [name for of, name in listed if of == zoo]) or f" See them all with: zoometer list --zoo {zoo}"
    raise UnknownNameError(f"{zoo} has no architecture '{arch}'.{hint}")
