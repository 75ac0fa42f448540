"""The optional zoo of ultralytics."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from zoo.adapters.testing import assert_conforms
from zoo.errors import InputError, MissingLibraryError
from zoo.meta.build import build_on_meta
from zoo.records import CostKey, Task

needs_ultralytics = pytest.mark.skipif(
    find_spec("ultralytics") is None, reason="ultralytics is not installed: pip install 'zoometer[ultralytics]'"
)

FEW = ["yolo11n", "yolo26n-pose", "yolo26n-sem", "yolov8n-cls", "yolov8n-world"]


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from zoo.adapters.libraries.ultralytics import UltralyticsZoo

    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))  # where the library writes its settings when it is imported
    return UltralyticsZoo()


@needs_ultralytics
@pytest.mark.filterwarnings("ignore")
def test_it_conforms_and_has_the_published_numbers_of_parameters(zoo: Any) -> None:
    report = assert_conforms(zoo, count=FEW)
    published = {cost.arch: cost.params for cost in zoo.published_costs()}
    assert report.counted["yolo11n"].params == published["yolo11n"]
    assert report.counted["yolo26n-pose"].params == published["yolo26n-pose"]


@needs_ultralytics
def test_listing_imports_nothing_of_the_library() -> None:
    code = (
        "import sys; from zoo.adapters.libraries.ultralytics import UltralyticsZoo; zoo = UltralyticsZoo(); "
        "zoo.architectures(); zoo.published_costs(); zoo.published_accuracy(); print('ultralytics' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_the_library_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.adapters.libraries import ultralytics

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        MissingLibraryError, match=r"^ultralytics is not installed\. Install it: pip install 'zoometer\[ultralytics\]'$"
    ):
        ultralytics.UltralyticsZoo()


@needs_ultralytics
def test_every_scale_of_every_file_is_listed_with_the_licence(zoo: Any) -> None:
    by_name = {a.name: a for a in zoo.architectures()}
    assert {
        f"yolo26{scale}{kind}" for scale in "nsmlx" for kind in ("", "-seg", "-pose", "-obb", "-cls", "-sem", "-depth")
    } <= set(by_name)
    assert {"rtdetr-l", "yolov10b", "yolov9e-seg", "yolov3-tiny", "yoloe-11s-seg"} <= set(by_name)
    assert all("AGPL-3.0" in a.note for a in by_name.values())
    assert {w.license for a in by_name.values() for w in a.weights} == {"agpl-3.0"}
    tasks = {name: by_name[f"yolo26n{name}"].task for name in ("", "-seg", "-pose", "-obb", "-cls", "-sem", "-depth")}
    assert tasks == {
        "": Task.DETECTION, "-seg": Task.DETECTION, "-pose": Task.KEYPOINTS, "-obb": Task.ORIENTED_DETECTION,
        "-cls": Task.CLASSIFICATION, "-sem": Task.SEGMENTATION, "-depth": Task.DEPTH,
    }  # fmt: skip


@needs_ultralytics
def test_results_are_those_of_the_description(zoo: Any) -> None:
    from importlib.metadata import metadata

    text = str(metadata("ultralytics").json["description"])
    stated = {(row.arch, row.dataset, row.metric): row.value for row in zoo.published_accuracy()}
    rows = {
        line.split("]")[0].strip("| ["): [cell.strip() for cell in line.split("|")]
        for line in text.splitlines()
        if line.startswith("| [YOLO")
    }
    assert stated["yolo26n", "coco-val2017", "box_map"] == float(rows["YOLO26n"][4])  # end to end, as it is counted
    assert stated["yolo26x-seg", "coco-val2017", "mask_map"] == float(rows["YOLO26x-seg"][4])
    assert stated["yolo26s-cls", "imagenet-1k", "top1"] == float(rows["YOLO26s-cls"][3])
    assert stated["yolo26m-depth", "nyu-depth-v2", "delta1"] == pytest.approx(100 * float(rows["YOLO26m-depth"][3]))
    assert {arch for arch, _, _ in stated} == {w.arch for a in zoo.architectures() for w in a.weights}


@needs_ultralytics
@pytest.mark.filterwarnings("ignore")
def test_levels_have_their_strides_as_numbers(zoo: Any) -> None:
    options = zoo.build_options(CostKey("ultralytics", "yolov8n", "3x640x640", 80))
    built: Any = build_on_meta(lambda: zoo.build("yolov8n", options))
    assert built.model[-1].stride.tolist() == [8.0, 16.0, 32.0]
    with pytest.raises(InputError, match="multiple of 32"):
        zoo.build_options(CostKey("ultralytics", "yolov8n", "3x640x650", 80))
