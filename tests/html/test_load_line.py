"""The line of Python by which the page says weights are loaded: real names, held against the zoos themselves."""

from __future__ import annotations

import ast
from collections.abc import Callable
from urllib.parse import quote

import pytest
import timm
import torchvision
from fakes_html import report_like, row_like
from fakes_html_browser import Visit

pytestmark = pytest.mark.browser

WEIGHTS = [
    ("timm", "resnet50", "a1_in1k"),
    ("torchvision", "resnet50", "IMAGENET1K_V2"),
    ("torchvision", "fasterrcnn_resnet50_fpn", "COCO_V1"),
    ("torchvision", "quantized_resnet50", "IMAGENET1K_FBGEMM_V2"),
]
REPORT = report_like(
    [
        *(row_like(arch, tag, zoo=zoo, macs=n + 1, imagenet_top1=70.0 + n) for n, (zoo, arch, tag) in enumerate(WEIGHTS)),
        row_like("plain", None, zoo="timm", macs=9),
        row_like("own", "best", zoo="mine", macs=9),
    ]
)


def loaded_by(at: Visit) -> list[str]:
    return [line for line in at.page.locator("#drawer .command code").all_inner_texts() if not line.startswith("zoometer")]


@pytest.mark.parametrize(("zoo", "arch", "tag"), WEIGHTS)
def test_the_line_names_weights_that_the_zoo_has(visit: Callable[..., Visit], zoo: str, arch: str, tag: str) -> None:
    at = visit(f"#open={quote(f'{zoo}/{arch}.{tag}@3x224x224')}", REPORT)
    (line,) = loaded_by(at)
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call)
    names = [ast.literal_eval(argument) for argument in call.args]
    options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    if zoo == "timm":
        assert (ast.unparse(call.func), options) == ("timm.create_model", {"pretrained": True})
        assert [getattr(timm.models.get_pretrained_cfg(name), "tag", None) for name in names] == [tag]
        return
    assert ast.unparse(call.func) == "torchvision.models.get_model"
    weights = torchvision.models.get_model_weights(names[0])
    assert options.pop("weights") in {member.name for member in weights}
    assert options == ({"quantize": True} if arch.startswith("quantized_") else {})


@pytest.mark.parametrize("name", ["timm/plain", "mine/own.best"])
def test_without_weights_or_a_known_call_there_is_no_line(visit: Callable[..., Visit], name: str) -> None:
    at = visit(f"#open={quote(f'{name}@3x224x224')}", REPORT)
    assert at.page.locator("#drawer .command").count() == 1
    assert loaded_by(at) == []
