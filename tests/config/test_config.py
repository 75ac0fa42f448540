from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

from reports.cli.common.counting_run import with_counting
from reports.config import zoo_section
from reports.config.config import Config
from reports.config.config_file import load_config
from zoo.adapters.registry import open_zoo
from zoo.addresses import Address
from zoo.errors import ConfigError
from zoo.records import DeclaredModel, Selection
from zoo.run_config import Precision, RunConfig
from zoo.settings import Execution, RefreshSettings, ZooSettings


@pytest.fixture(autouse=True)
def _two_zoos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_section, "installed_zoos", lambda: ["timm", "torchvision"])


def load(folder: Path, text: str) -> Config:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value).replace(str(folder / "c.yaml"), "c.yaml")


def test_every_key_reaches_the_refresh(tmp_path: Path) -> None:
    text = """
    cache: kept/
    zoos:
      timm: {include: "resnet*", exclude: [resnet18], tasks: classification, pretrained_only: true, inputs: [160, 384x512]}
      torchvision:
    inputs: [native, 224]
    traces: [amp/nhwc, fp32]
    accuracy: {fetch: false, timm: {results: tables/}}
    execution: {backend: local, workers: 3, timeout_s: 7, memory_gb: 1.5}
    """
    assert load(tmp_path, text).refresh_settings() == RefreshSettings(
        cache="kept/",
        zoos={
            "timm": ZooSettings(Selection(("resnet*",), ("resnet18",), ("classification",), True), ("160", "384x512")),
            "torchvision": ZooSettings(Selection(), ("native", "224")),
        },
        timm_results="tables/",
        fetch_accuracy=False,
        execution=Execution("local", 3, 7.0, 1.5),
        traces=(RunConfig(precision=Precision.AMP, layout="nhwc"), RunConfig()),
    )


def test_a_cluster_and_where_the_cache_is_reach_the_refresh(tmp_path: Path) -> None:
    text = """
    storage: {key: mine, client_kwargs: {region_name: eu-central-1}}
    cache: s3://bucket/cache
    zoos: {timm: }
    execution: {backend: dask, cluster: dask_jobqueue.SLURMCluster, arguments: {cores: 8, memory: 32GB}, workers: 50}
    """
    settings = load(tmp_path, text).refresh_settings()
    arguments = {"cores": 8, "memory": "32GB"}
    assert settings.execution == Execution("dask", 50, cluster="dask_jobqueue.SLURMCluster", arguments=arguments)
    assert settings.cache == "s3://bucket/cache"
    assert Address.of(settings.cache).options == {"key": "mine", "client_kwargs": {"region_name": "eu-central-1"}}


@pytest.mark.parametrize(
    ("options", "execution"),
    [
        ((None, None, None), Execution("dask", 2, cluster="a.B")),
        ((5, None, None), Execution("dask", 5, cluster="a.B")),
        ((None, "local", None), Execution("local", 2)),
        ((None, None, "tcp://s:1"), Execution("dask", 2, address="tcp://s:1")),
        ((None, "dask", "tcp://s:1"), Execution("dask", 2, address="tcp://s:1")),
    ],
)
def test_the_command_line_decides_on_the_execution(tmp_path: Path, options: Any, execution: Execution) -> None:
    text = "zoos: {timm: }\nexecution: {backend: dask, workers: 2, cluster: a.B}"
    shared = dict(zip(("workers", "backend", "address"), options, strict=True)) | {"traces": None, "training": None}
    assert with_counting(load(tmp_path, text), shared).execution.settings() == execution


def test_an_address_is_for_dask_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--address is that of a Dask scheduler"):
        with_counting(load(tmp_path, "zoos: {timm: }"), {"workers": None, "backend": "local", "address": "tcp://s:1"})


def settings_of(folder: Path, text: str) -> dict[str, ZooSettings]:
    return load(folder, text).refresh_settings().zoos


def test_the_axes_of_the_file_hold_for_zoos_that_say_nothing_of_their_own(tmp_path: Path) -> None:
    text = """
    classes: 10
    in_channels: 1
    batch: 4
    variants: [base, deploy]
    zoos:
      timm: {classes: 0, in_channels: 3, batch: [1, 2], features_only: true, inputs_for: {"vit_*": [native, 384], "*": 160}}
      torchvision:
    """
    assert settings_of(tmp_path, text) == {
        "timm": ZooSettings(
            inputs_for=(("vit_*", ("native", "384")), ("*", ("160",))),
            classes=0, in_channels=3, batches=(1, 2), variants=("features",),
        ),
        "torchvision": ZooSettings(classes=10, in_channels=1, batches=(4,), variants=("base", "deploy")),
    }  # fmt: skip


def test_a_variant_may_be_given_by_its_former_name(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "variants: [train, deploy]\nzoos: {timm: }")["timm"].variants == ("base", "deploy")


def test_a_zoo_can_take_back_that_the_file_wants_features_only(tmp_path: Path) -> None:
    zoos = settings_of(tmp_path, "features_only: true\nzoos: {timm: {features_only: false}, torchvision: {variants: deploy}}")
    assert {name: zoo.variants for name, zoo in zoos.items()} == {"timm": ("base",), "torchvision": ("deploy",)}


def test_a_zoo_of_one_s_own_is_declared_model_by_model(tmp_path: Path) -> None:
    text = """
    classes: 10
    inputs: [224]
    zoos:
      mine:
        batch: 2
        models:
          - name: net
            factory: package.module:Net
            kwargs: {width: 64, depths: [1, 2], pool: null}
            inputs: ["Tokens=77 : int64", 784]
            task: detection
            family: nets
            classes: 5
            accuracy: {imagenet-1k: {top1: 76, top5: 92.5}}
          - {registry: "package.module:all", factory: "package.module:make", inputs: 3X32x32}
    """
    assert settings_of(tmp_path, text)["mine"] == ZooSettings(
        inputs=("native",), batches=(2,),
        models=(
            DeclaredModel(
                "net", "package.module:Net", None, '{"depths": [1, 2], "pool": null, "width": 64}', ("Tokens=77:int64", "784"),
                "detection", "nets", 5, (("imagenet-1k", "top1", 76.0), ("imagenet-1k", "top5", 92.5)),
            ),
            DeclaredModel("", "package.module:make", "package.module:all", "{}", ("3x32x32",)),
        ),
    )  # fmt: skip


def test_what_is_left_out_has_the_defaults_of_the_refresh(tmp_path: Path) -> None:
    settings = load(tmp_path, "zoos: {timm: }").refresh_settings()
    precisions = (Precision.FP32, Precision.FP16, Precision.AMP)
    modes = tuple(RunConfig(precision=precision, layout=layout) for precision in precisions for layout in ("nchw", "nhwc"))
    assert settings == RefreshSettings(cache="cache/", zoos={"timm": ZooSettings()}, traces=modes)


def test_reports_default_to_one_page_and_one_workbook(tmp_path: Path) -> None:
    (only,) = load(tmp_path, "zoos: {timm: }").reports
    assert (only.name, only.formats) == ("leaderboard", ["html", "xlsx"])


def test_a_home_folder_is_expanded_and_an_address_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    read = load(tmp_path, "{cache: 's3://bucket/~x', out: ~/out, zoos: {timm: }}")
    assert (read.cache, read.out) == ("s3://bucket/~x", "/home/somebody/out")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zoos: {timm: }\ncach: x", "c.yaml, line 2: cach is not a known key. Did you mean cache"),
        ("zoos:\n  timm:\n    exlude: [a]", "c.yaml, line 3: zoos.timm.exlude is not a known key. Did you mean exclude"),
        ("zoos: {timm: }\nexecution: {worker: 1}", "line 2: execution.worker is not a known key. Did you mean workers?"),
        ("zoos: {timm: }\naccuracy: {fetsh: true}", "line 2: accuracy.fetsh is not a known key. Did you mean fetch?"),
        ("zoos: {timm: }\naccuracy: {timm: {result: x}}", "line 2: accuracy.timm.result is not a known key. Did you mean results?"),
        ("zoos: {timm: }\nreports:\n- {titel: x}", "line 3: reports[0].titel is not a known key. Did you mean title?"),
        ("zoos: {timmm: }", "line 1: zoos.timmm: 'timmm' is not a zoo that is installed. Did you mean timm?"),
        ("zoos: {}", "line 1: zoos is empty."),
        ("out: x", "line 1: zoos is missing. Name what to count"),
        ("zoos: [timm]", "line 1: zoos must be a mapping, not a list."),
        ("zoos: {timm: {tasks: [detektion]}}", "zoos.timm.tasks[0]: 'detektion' is not a task. Did you mean detection?"),
        ("zoos: {timm: {pretrained_only: 1}}", "zoos.timm.pretrained_only must be true or false, not '1'."),
        ("zoos: {timm: }\ninputs: [224, 22px]", "line 2: inputs[1]: '22px' is not an input size. Write native, default, 224, 384x512"),
        ("zoos: {timm: }\ninputs: []", "line 2: inputs is empty."),
        ("zoos: {timm: }\nexecution:\n  workers: 0", "line 3: execution.workers must be greater than or equal to 1, not '0'."),
        ("zoos: {timm: }\nexecution: {workers: true}", "execution.workers must be a whole number, not true."),
        ("zoos: {timm: }\nexecution: {backend: desk}", "execution.backend: 'desk' is not a backend. Did you mean dask?"),
        (
            "zoos: {timm: }\nexecution: {address: 'tcp://s:8786'}",
            "execution: address belongs to backend: dask. Add that, or leave address out.",
        ),
        (
            "zoos: {timm: }\nexecution: {backend: dask, address: 'tcp://s:8786', cluster: local}",
            "execution: address names a cluster that runs, cluster one to be started; give one of them.",
        ),
        ("zoos: {timm: }\nexecution: {timeout_s: .nan}", "execution.timeout_s must be"),
        ("zoos: {timm: }\nreports: [{name: a/b}]", "reports[0].name: 'a/b' cannot be part of a file name."),
        ("zoos: {timm: }\nreports: [{formats: [pdf]}]", "reports[0].formats[0]: 'pdf' is not a report format. Known: csv, html, json, md, parquet, xlsx."),
        ("zoos: {timm: }\nreports: [{name: a}, {name: a}]", "reports: two reports are called 'a' and would overwrite each other."),
        ("zoos: {timm: }\nzoos: {timm: }", "c.yaml, line 2: zoos is given twice, first on line 1."),
        ("zoos:\n  timm: {include: [*]}", "is not readable as YAML: line 2, column 2"),
        ("", "holds no configuration"),
        ("- a", "holds no configuration"),
        ("zoos: {timm: }\nvariants: [deploi]", "line 2: variants[0]: 'deploi' is not a variant. Did you mean deploy?"),
        ("zoos: {timm: {batch: [0]}}", "zoos.timm.batch[0] must be greater than or equal to 1, not '0'."),
        ("zoos: {timm: {in_channel: 1}}", "zoos.timm.in_channel is not a known key. Did you mean in_channels"),
        ("zoos: {timm: {features_only: true, variants: train}}", "zoos.timm: features_only: true stands for variants: [features]; write one of them."),
        ("zoos: {timm: {inputs_for: {a: [x]}}}", "zoos.timm.inputs_for.a[0]: 'x' is not an input size."),
        ("zoos: {mine: }", "'mine' is not a zoo that is installed. Known: timm, torchvision. Models of your own are declared with models: [...]."),
        ("zoos: {timm: {models: [{name: a, factory: 'a:b', inputs: '1'}]}}", "zoos.timm: 'timm' is an installed zoo. Give the zoo of your own models another name."),
        ("zoos: {mine: {models: []}}", "zoos.mine.models is empty."),
        ("zoos: {my/zoo: {models: [{name: a, factory: 'a:b', inputs: '1'}]}}", "'my/zoo' cannot name a zoo. Use letters, digits, '_' and '-'."),
        ("zoos:\n  mine:\n    models:\n    - {name: a, facory: 'a:b', inputs: '1'}", "line 4: zoos.mine.models[0].facory is not a known key. Did you mean factory?"),
        ("zoos: {mine: {models: [{name: a, factory: a.b, inputs: '1'}]}}", "zoos.mine.models[0].factory: 'a.b' cannot be imported. Write package.module:function."),
        ("zoos: {mine: {models: [{name: a, factory: 'a:b'}]}}", "zoos.mine.models[0].inputs is missing."),
        ("zoos: {mine: {models: [{name: a, factory: 'a:b', inputs: '1:int'}]}}", "zoos.mine.models[0].inputs[0]: '1:int' is not a tensor. Write shape, shape:dtype or name=shape:dtype"),
        ("zoos: {mine: {models: [{factory: 'a:b', inputs: '1'}]}}", "zoos.mine.models[0]: needs a name."),
        ("zoos: {mine: {models: [{name: a, inputs: '1'}]}}", "zoos.mine.models[0]: needs a factory, or a registry."),
        ("zoos: {mine: {models: [{registry: 'a:b', inputs: '1', accuracy: {x: {y: 1}}}]}}", "accuracy belongs to one model: give its name beside the registry."),
        ("zoos: {mine: {models: [{name: a, factory: 'a:b', inputs: '1', kwargs: {day: !!timestamp 2026-01-02}}]}}", "the tag !!timestamp is not read."),
        ("zoos: {mine: {models: [{name: a, factory: 'a:b', inputs: '1'}], classes: 3}}", "zoos.mine: classes cannot be applied to models of your own; say it in their kwargs."),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_its_key_and_the_way_out(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    told = refusal(tmp_path, "inputs: [wide]\nzoos:\n  timm: {includ: a}\nexecution: {workers: many}\n")
    assert told.splitlines()[0] == "c.yaml has 3 mistakes:"
    assert [line.split(":")[0] for line in told.splitlines()[1:]] == ["  line 1", "  line 3", "  line 4"]


def test_an_alias_repeats_no_key(tmp_path: Path) -> None:
    read = load(tmp_path, "zoos:\n  timm: &same {include: [a]}\n  torchvision: *same\n")
    assert read.zoos["timm"] == read.zoos["torchvision"]


def test_a_mapping_inside_itself_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, "zoos: &z {timm: *z}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cache: ~nosuchuser/x", "line 1: cache: '~nosuchuser/x' is in the home folder of a user who does not exist."),
        ('out: "a\\0b"', "line 1: out: a path cannot hold a NUL character."),
        ("budgets: {a: {params: " + "9" * 4_000 + "}}", "line 1, column 23: '9999"),
        ("budgets: {a: {params: " + "9" * 4_000 + "M}}", "M' is not a number. Write 25M."),
        ("inputs: ['" + "9" * 4_000 + "']", "' is not an input size."),
        ("batch: 9999999999999", "batch[0] must be less than or equal to 2147483647"),
        ("accuracy: {max_age_days: 1.0e+300}", "accuracy.max_age_days must be less than or equal to 36500"),
        ("reports: [{formats: " + "x" * 100_000 + "}]", "is not a report format."),
        (f"{'x' * 900}: 1", "is not a known key."),
        ("1: 2", "a key must be text."),
        ("features_only: true\nvariants: base", "line 1: features_only: true stands for variants: [features]"),
    ],
)
def test_odd_values_are_refused_in_a_short_sentence(tmp_path: Path, text: str, why: str) -> None:
    told = refusal(tmp_path, f"{text}\nzoos: {{timm: }}")
    assert why in told
    assert len(told) < 1_000


def test_many_mistakes_are_a_short_list(tmp_path: Path) -> None:
    told = refusal(tmp_path, "zoos: {timm: }\ninputs: [" + "x, " * 5_000 + "]").splitlines()
    assert told[0] == "c.yaml has 5000 mistakes:"
    assert told[-1].startswith("… and 4,976 more")
    assert len(told) < 30


def test_a_missing_file_leads_to_init(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no file '.*none\.yaml'\. Write one to start from with: zoometer init"):
        load_config(tmp_path / "none.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder, not a configuration file"):
        load_config(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not a text file in UTF-8"):
        load_config(path)


def shipped(repository: Path) -> list[Path]:
    """All configurations that come with the project; the file of devices is none."""
    return [path for path in sorted((repository / "configs").glob("*.yaml")) if path.name != "devices.yaml"]


@pytest.fixture
def all_zoos(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zoos that the project declares, whether or not it was installed since."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    monkeypatch.setattr(zoo_section, "installed_zoos", lambda: list(project["entry-points"]["zoometer.zoos"]))


@pytest.mark.usefixtures("all_zoos")
def test_the_shipped_configurations_are_valid(repository: Path) -> None:
    for path in shipped(repository):
        assert load_config(path).zoos, path.name


@pytest.mark.slow
@pytest.mark.usefixtures("all_zoos")
def test_every_pattern_of_the_shipped_configurations_matches_something(repository: Path) -> None:
    names = {zoo: [arch.name for arch in open_zoo(zoo).architectures()] for zoo in ("timm", "torchvision")}
    for path in shipped(repository):
        for zoo, settings in load_config(path).refresh_settings().zoos.items():
            own = [model.name for model in settings.models]
            globs = [glob for glob, _ in settings.inputs_for]
            for pattern in (*settings.selection.include, *settings.selection.exclude, *globs):
                known = own or names.get(zoo, [pattern])  # those of an extra may not be installed
                assert fnmatch.filter(known, pattern), f"{path.name}: {zoo}: {pattern}"


def test_the_default_configuration_selects_what_can_be_counted(repository: Path) -> None:
    zoos = load_config(repository / "configs" / "default.yaml").refresh_settings().zoos
    assert zoos["timm"] == ZooSettings(Selection(), ("native", "224"))
    assert (zoos["torchvision"].selection.tasks, zoos["torchvision"].inputs) == ((), ("native", "224"))


def test_the_default_configuration_names_every_key(repository: Path) -> None:
    text = (repository / "configs" / "default.yaml").read_text(encoding="utf-8")
    missing = [key for key in _all_keys(Config) if f"{key}:" not in text]
    assert not missing


def _all_keys(section: type[BaseModel]) -> set[str]:
    """The keys of a section and of the sections in it."""
    keys = {field.alias or name for name, field in section.model_fields.items()}
    for hint in get_type_hints(section).values():
        for inner in (hint, *get_args(hint)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                keys |= _all_keys(inner)
    return keys
