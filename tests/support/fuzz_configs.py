"""Mutated configurations, made from the shipped ones and from one that has every key."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path
from typing import Any

import yaml
from fuzzing import WORDS, mutate

EVERY_KEY = """
cache: cache/
storage: {key: value, client_kwargs: {region_name: eu}}
out: out/
classes: 10
in_channels: 1
batch: [1, 8]
variants: [base, deploy]
inputs: [native, 224, 384x512, "3x16x224x224"]
traces: [amp-fast-norm/nhwc, fp32]
zoos:
  torchvision: &zoo {include: "resnet*", exclude: [resnet18], tasks: [classification], pretrained_only: true, inputs: [224]}
  timm:
    <<: *zoo
    classes: 0
    in_channels: 3
    features_only: false
    inputs_for: {"vit_*": [native, 384], "*": 160}
  mine:
    models:
      - name: net
        factory: package.module:Net
        kwargs: {width: 64, depths: [1, 2], pool: null}
        inputs: ["Tokens=77:int64", 784]
        task: detection
        family: nets
        classes: 5
        accuracy: {imagenet-1k: {top1: 76, top5: 92.5}}
      - {registry: "package.module:all", factory: "package.module:make", inputs: 3x32x32}
accuracy: {fetch: false, max_age_days: 3.5, timm: {results: tables/}}
execution: {backend: dask, workers: 2, timeout_s: 60, memory_gb: 1.5, cluster: a.B, arguments: {cores: 8}}
budgets:
  phone: {params: 6M, macs: 600M, activations: 10M, file_size: 25MB, peak_memory: 200MB, memory: 300MB, latency: 10ms, device: t4,
          dtype: fp16, batch: 1, layout: nchw, compiled: false, processor: npu, runtime: tflite, threads: 4, accuracy: 75%}
  other: {throughput: 100/s, dataset: imagenet-real, license: [apache-2.0], zoo: timm, family: resnet, task: [classification],
          pareto: [macs, params], pick: accuracy}
audit:
  - zoo: torchvision
  - {zoo: timm, against: table.csv, columns: [model=Name, "macs=GFLOPs:G"]}
measure: {device: cpu, as: core-i9-10940x, threads: 4, dtype: [float32, fp16], layout: [nchw], compiled: [false], batch: [1], max_batch: 256,
          precision: 2%, least: 10, most: 1000, time: 10s, timeout: 300s, memory_gb: 8}
devices: devices.yaml
speed: [{device: rtx-4090, dtype: amp, batch: 1, layout: nhwc, compiled: false, threads: 2}]
reports:
  - {name: leaderboard, title: Model-zoo leaderboard, formats: [md]}
  - {name: other, formats: csv}
"""


def mutated_config(texts: list[str], rng: random.Random) -> bytes:
    """The bytes of a mutated configuration: of its text, of its tree, or of its bytes."""
    text = rng.choice(texts)
    way = rng.random()
    if way < 0.35:
        text = _mutate_tree(text, rng)
    elif way < 0.95:
        text = mutate(text, rng)
    content = text.encode("utf-8", "surrogatepass")
    if way >= 0.95:
        at = rng.randint(0, len(content))
        content = content[:at] + rng.randbytes(rng.choice((1, 2, 300))) + content[at:]
    return content


def shipped_texts(repository: Path) -> list[str]:
    """The configurations of `configs/`, and one that has every key."""
    texts = [path.read_text("utf-8") for path in sorted((repository / "configs").glob("*.yaml")) if path.name != "devices.yaml"]
    return [*texts, *[EVERY_KEY] * len(texts)]


@functools.cache
def _tree(text: str) -> str:
    return json.dumps(yaml.safe_load(text))


def _mutate_tree(text: str, rng: random.Random) -> str:
    """The configuration with one to three values replaced, as JSON, which YAML holds."""
    content: Any = json.loads(_tree(text))
    for _ in range(rng.randint(1, 3)):
        holders = list(_holders(content))
        holder, key = rng.choice(holders)
        value = rng.choice((_hostile_value, _hostile_value, _other_value))(rng, holders)
        if isinstance(holder, dict) and rng.random() < 0.2:
            holder[rng.choice((*WORDS, 5, None, 1.5, True))] = holder.pop(key)
        else:
            holder[key] = value
    return json.dumps(content, ensure_ascii=False, indent=rng.choice((None, 1)))


def _holders(value: Any) -> Any:
    """Every place of a tree: the mapping or list, and the key or position."""
    for key, inner in list(value.items()) if isinstance(value, dict) else list(enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _holders(inner)


def _hostile_value(rng: random.Random, _: Any) -> Any:
    nested: Any = 1
    for _ in range(rng.choice((1, 5, 60))):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    return rng.choice(
        (None, True, 0, -1, 2**70, 10**400, 1.5, float("inf"), float("nan"), "", [], {}, nested, rng.choice(WORDS), [rng.choice(WORDS)], {rng.choice(WORDS): 1},
         [rng.choice(WORDS)[:300]] * 2_000, {f"k{n}": None for n in range(2_000)}, "x" * 100_000)
    )  # fmt: skip


def _other_value(rng: random.Random, holders: Any) -> Any:
    holder, key = rng.choice(holders)
    return json.loads(json.dumps(holder[key]))
