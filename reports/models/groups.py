"""The same architecture in several zoos, which name it alike: `timm/resnet50`, `torchvision/resnet50`, `transformers/resnet-50`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from zoo.errors import UnknownNameError
from zoo.records import Architecture
from zoo.settings import RefreshSettings, ZooSettings

EVERY_ZOO = "*/"
"""The beginning of a name that stands for this architecture in every zoo."""


def expand_names(names: Sequence[str], cache: str, zoos: Mapping[str, ZooSettings]) -> list[str]:
    """The names, with `*/resnet50` replaced by the architectures of this name in all installed and declared zoos.

    A zoo whose library is not installed is left out.

    Raises:
        UnknownNameError: if no zoo has such an architecture.
    """
    expanded: list[str] = []
    listed: dict[str, Sequence[Architecture]] = {}
    for name in names:
        if not name.startswith(EVERY_ZOO):
            expanded.append(name)
            continue
        listed, arch = listed or _list_all(cache, zoos), name.removeprefix(EVERY_ZOO)
        found = [f"{zoo}/{a.name}" for zoo, group in listed.items() for a in group if _plain(a.name) == _plain(arch)]
        if not found:
            raise UnknownNameError(f"No zoo has an architecture '{arch}'. See them all with: zoometer list")
        expanded += found
    return list(dict.fromkeys(expanded))


def _plain(name: str) -> str:
    """A name without what joins its parts, and without capitals: `resnet50` for `ResNet-50`."""
    return re.sub(r"[-_.]", "", name).lower()


def _list_all(cache: str, zoos: Mapping[str, ZooSettings]) -> dict[str, Sequence[Architecture]]:
    from zoo.adapters.registry import zoo_names
    from zoo.cache.store import Store
    from zoo.refresh.catalogue import list_zoos

    settings = {name: zoos.get(name, ZooSettings(is_optional=True)) for name in dict.fromkeys([*zoo_names(), *zoos])}
    listings = list_zoos(RefreshSettings(cache, settings), Store(cache))
    return {name: listing.architectures for name, listing in listings.items()}
