"""Every classification weights entry of torchvision: what is counted against what torchvision publishes."""

from __future__ import annotations

from typing import Any

import pytest
from torchvision import models
from torchvision.models import get_model_weights

from zoo.adapters.torchvision import TorchvisionZoo
from zoo.batch.job import Counter
from zoo.counting.build import build_on_meta
from zoo.records import Architecture, CostKey, Job, Task, Weights

G = 1e9  # torchvision states GMACs, as "_ops"
ARCHITECTURES = [a for a in TorchvisionZoo().architectures() if a.task == Task.CLASSIFICATION and a.uncountable is None]
WEIGHTS = [weights for a in ARCHITECTURES for weights in a.weights]


def published(weights: Weights) -> dict[str, Any]:
    meta: dict[str, Any] = get_model_weights(weights.arch)[weights.tag].meta
    return meta


@pytest.fixture(scope="module")
def costs() -> dict[CostKey, dict[str, Any]]:
    """The cost row of each architecture at the inputs and with the heads of its weights."""
    counter = Counter()
    inputs: dict[tuple[str, int | None], list[str]] = {}
    for w in WEIGHTS:
        inputs.setdefault((w.arch, w.classes), []).append(w.input)
    jobs = [Job("torchvision", arch, classes, tuple(dict.fromkeys(sizes))) for (arch, classes), sizes in inputs.items()]
    return {counted.key: counted.row for job in jobs for counted in counter.count(job)}


def test_all_weights_of_all_classifiers_are_compared() -> None:
    entries = [entry for name in models.list_models(module=models) for entry in get_model_weights(name)]
    assert len(WEIGHTS) == len(entries)
    assert len(ARCHITECTURES) == len(models.list_models(module=models)) == 80


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda w: f"{w.arch}.{w.tag}")
def test_macs_and_parameters_are_those_published(costs: dict[CostKey, dict[str, Any]], weights: Weights) -> None:
    row = costs[CostKey("torchvision", weights.arch, weights.input, weights.classes)]
    assert (row["status"], row["reason"]) == ("exact", None)
    macs = published(weights)["_ops"] * G
    assert row["macs"] == pytest.approx(
        macs, rel=0.005, abs=0.0006 * G
    )  # the larger of the two counts; three decimals are stated
    assert row["flops"] == 2 * row["macs"]
    assert row["params"] == published(weights)["num_params"]


@pytest.mark.filterwarnings("ignore:The default weight initialization of:FutureWarning")
@pytest.mark.parametrize("arch", ARCHITECTURES, ids=lambda a: a.name)
def test_a_constructor_that_builds_other_parameters_than_its_weights_have_is_noted(arch: Architecture) -> None:
    model = build_on_meta(lambda: models.get_model(arch.name, weights=None))
    built = sum(p.numel() for p in model.parameters())
    stated = {published(w)["num_params"] for w in arch.weights}
    assert built in stated or arch.note is not None


@pytest.mark.parametrize(("name", "named"), [("googlenet", "auxiliary heads"), ("inception_v3", "auxiliary head")])
def test_auxiliary_heads_are_named(name: str, named: str) -> None:
    (arch,) = (a for a in ARCHITECTURES if a.name == name)
    assert arch.note is not None
    assert named in arch.note
