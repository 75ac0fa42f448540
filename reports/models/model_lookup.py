"""A few models by name, with all that is known of them: what a cache has, and what it lacks counted now.

The facts are gathered in a small cache of their own, so that whatever reads a cache can read them. The cache they come from is
not changed.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from zoo.cache.store import Store
from zoo.errors import UnknownNameError, did_you_mean
from zoo.inputs import resize_input
from zoo.records import Architecture, CostKey, Selection, Weights
from zoo.refresh.plan import NATIVE, cost_keys
from zoo.settings import Execution, RefreshSettings, ZooSettings


@dataclass(frozen=True, slots=True)
class Named:
    """A model as it was named: an architecture, or one set of its weights."""

    architecture: Architecture
    weights: Weights | None = None  # None: the architecture was named

    @property
    def name(self) -> str:
        """`zoo/arch` or `zoo/arch.tag`."""
        return self.weights.name if self.weights else f"{self.architecture.zoo}/{self.architecture.name}"

    def key_at(self, size: str = NATIVE) -> CostKey:
        """The cost with the model's own head, at its own input or at another size of it.

        Raises:
            InputError: if the size does not fit the model's input.
        """
        own = self.weights or self.architecture
        input = own.input if size == NATIVE else resize_input(size, own.input)
        return CostKey(self.architecture.zoo, self.architecture.name, input, own.classes)


@dataclass(frozen=True)
class Excerpt:
    """The models, and a cache that holds them and nothing else of their zoos' costs."""

    models: tuple[Named, ...]
    store: Store
    settings: RefreshSettings  # which select these models from that cache
    counted_now: frozenset[tuple[str, str]]  # zoo and architecture of those whose cost the cache did not have


@contextlib.contextmanager
def excerpt(names: Sequence[str], cache: str, zoos: Mapping[str, ZooSettings], size: str = NATIVE) -> Iterator[Excerpt]:
    """Gathers what is known of the models, for as long as the context lasts.

    Args:
        names: `zoo/arch` or `zoo/arch.tag` each.
        cache: where facts are taken from; it may not exist yet.
        zoos: settings of zoos that a configuration declares.
        size: at which a cost is needed: it is counted if the cache has none.

    Raises:
        UnknownNameError: if there is no such zoo, architecture or set of weights.
        InputError: if the size does not fit a model.
        ZooError: if a zoo cannot be opened.
    """
    whole = Store(cache)
    with tempfile.TemporaryDirectory(prefix="zoometer-") as folder:
        store = Store(folder)
        store.prepare()
        asked = [_split(name) for name in names]
        settings = {zoo: zoos.get(zoo, ZooSettings()) for zoo in dict.fromkeys(zoo for zoo, _ in asked)}
        if whole.exists():
            _copy_lists(whole, store, list(settings))
        models = _find(asked, store, settings)
        chosen = {zoo: sorted({m.architecture.name for m in models if m.architecture.zoo == zoo}) for zoo in settings}
        if whole.exists():
            _copy_figures(whole, store, chosen)
        missing = _without_cost(models, store, size)
        selecting = {zoo: _selecting(settings[zoo], archs, size) for zoo, archs in chosen.items()}
        if missing:
            only = {zoo: _selecting(settings[zoo], [arch for z, arch in sorted(missing) if z == zoo], size) for zoo in settings}
            _count({zoo: one for zoo, one in only.items() if one.selection.include}, store)
        yield Excerpt(models, store, RefreshSettings(folder, selecting), frozenset(missing))


def _split(name: str) -> tuple[str, str]:
    zoo, slash, rest = name.partition("/")
    if not slash or not zoo or not rest:
        raise UnknownNameError(
            f"'{name}' does not name a model. Write zoo/architecture or zoo/architecture.weights: timm/resnet50."
        )
    return zoo, rest


def _copy_lists(whole: Store, store: Store, zoos: Sequence[str]) -> None:
    """What exists, with the notes that say what the lists depend on."""
    for name in ("weights", "architectures"):
        table = whole.read(name, where={"zoo": list(zoos)})
        store.replace(name, table, set(pc.unique(table["zoo"]).to_pylist()), whole.notes(name))


def _copy_figures(whole: Store, store: Store, chosen: Mapping[str, Sequence[str]]) -> None:
    """How good the chosen architectures are, and what they cost."""
    notes = whole.notes("accuracy")
    for zoo, archs in chosen.items():
        store.replace("accuracy", whole.read("accuracy", where={"zoo": [zoo], "arch": list(archs)}), {zoo}, notes)
        for name in ("ops", "costs"):
            store.append(name, whole.read(name, where={"zoo": [zoo], "arch": list(archs)}))


def _find(asked: Sequence[tuple[str, str]], store: Store, zoos: Mapping[str, ZooSettings]) -> tuple[Named, ...]:
    """The models, looked up in the lists the cache has, and in those of the zoos where it does not know them."""
    from zoo.adapters.registry import zoo_names

    listed = _by_name(store.architectures())
    unknown = {zoo for zoo, rest in asked if _named(zoo, rest, listed) is None}
    gone = {zoo for zoo, _ in listed} - {*zoo_names(), *(zoo for zoo, settings in zoos.items() if settings.models)}
    if unknown - gone:
        listed |= _by_name(_list_anew({zoo: zoos[zoo] for zoo in sorted(unknown - gone)}, store))
    return tuple(_named(zoo, rest, listed) or _raise_unknown(zoo, rest, listed) for zoo, rest in asked)


def _by_name(architectures: Sequence[Architecture]) -> dict[tuple[str, str], Architecture]:
    return {(a.zoo, a.name): a for a in architectures}


def _named(zoo: str, rest: str, listed: Mapping[tuple[str, str], Architecture]) -> Named | None:
    if (zoo, rest) in listed:
        return Named(listed[zoo, rest])
    arch, _, tag = rest.partition(".")
    architecture = listed.get((zoo, arch))
    weights = next((w for w in architecture.weights if w.tag == tag), None) if architecture else None
    return Named(architecture, weights) if architecture and weights else None


def _raise_unknown(zoo: str, rest: str, listed: Mapping[tuple[str, str], Architecture]) -> Named:
    arch, _, tag = rest.partition(".")
    if (zoo, arch) in listed:
        tags = [weights.tag for weights in listed[zoo, arch].weights]
        raise UnknownNameError(f"{zoo}/{arch} has no weights '{tag}'.{did_you_mean(tag, tags)}")
    names = [name for of, name in listed if of == zoo]
    hint = did_you_mean(arch, names) or f" See them all with: zoometer list --zoo {zoo}"
    raise UnknownNameError(f"{zoo} has no architecture '{arch}'.{hint}")


def _list_anew(zoos: dict[str, ZooSettings], store: Store) -> list[Architecture]:
    from zoo.refresh.catalogue import list_zoos, save_listings

    listings = list_zoos(RefreshSettings(store.address, zoos), store)
    save_listings(store, listings)
    return [a for listing in listings.values() for a in listing.architectures]


def _without_cost(models: Sequence[Named], store: Store, size: str) -> set[tuple[str, str]]:
    had = set(cost_keys(store.costs(columns=["status"])))
    return {(m.architecture.zoo, m.architecture.name) for m in models if m.key_at(size) not in had}


def _selecting(settings: ZooSettings, archs: Sequence[str], size: str) -> ZooSettings:
    """The same zoo, narrowed to these architectures at one size."""
    return ZooSettings(Selection(tuple(archs)), (size,), models=settings.models)


def _count(zoos: dict[str, ZooSettings], store: Store) -> None:
    from zoo.refresh.refresh import refresh

    execution = Execution(workers=1)
    refresh(RefreshSettings(store.address, zoos, fetch_accuracy=False, execution=execution))
