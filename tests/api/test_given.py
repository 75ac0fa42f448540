"""The forms in which models and inputs are given, and what is said of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo.errors import InputError

BILINEAR_MACS = 6 * 5 * (4 + 1)
"""One row: x1 (4) with the weight (6, 4, 5), the result with x2 (5)."""


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("shape", [(8,), [8], 8, torch.Size([8]), {"input": (8,)}])
def test_a_shape_is_that_of_one_input_without_the_batch(shape: Any, batch: int) -> None:
    assert zoo.count(nn.Linear(8, 5), shape, batch=batch).macs == batch * 8 * 5


@pytest.mark.parametrize("given", [torch.zeros(2, 8), (torch.zeros(2, 8),), [torch.zeros(2, 8)], {"input": torch.zeros(2, 8)}])
def test_a_tensor_has_its_batch(given: Any) -> None:
    assert zoo.count(nn.Linear(8, 5), given).macs == 2 * 8 * 5
    assert zoo.trace(nn.Linear(8, 5), given).macs == 2 * 8 * 5


@pytest.mark.parametrize(
    "given",
    [
        [(4,), (5,)],
        ((4,), (5,)),
        (torch.zeros(1, 4), torch.zeros(1, 5)),
        (torch.zeros(1, 4), (5,)),
        {"input1": (4,), "input2": torch.zeros(1, 5)},
    ],
)
def test_several_shapes_or_tensors_are_several_arguments(given: Any) -> None:
    assert zoo.count(nn.Bilinear(4, 5, 6), given).macs == BILINEAR_MACS


class Optional(nn.Module):
    """Takes a mask or none."""

    def forward(self, x: Tensor, mask: Tensor | None, y: Tensor) -> Tensor:
        return x @ y if mask is None else x


def test_an_argument_may_be_left_out() -> None:
    assert zoo.count(Optional(), (torch.zeros(2, 3), None, torch.zeros(3, 4))).macs == 2 * 3 * 4


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_without_an_image_is_refused(batch: int) -> None:
    with pytest.raises(InputError, match=f"batch={batch} has none"):
        zoo.count(nn.Linear(3, 4), (3,), batch=batch)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (nn.ReLU, r"^ReLU is a class: give a model made of it, such as ReLU\(\)\.$"),
        (torch.relu, r"^relu is a function: give an nn\.Module whose forward calls it\.$"),
        (lambda x: x, r"^<lambda> is a function: give an nn\.Module whose forward calls it\.$"),
        ({"state": 1}, r"^dict is no model: give an nn\.Module\.$"),
    ],
)
@pytest.mark.parametrize("how", [zoo.count, zoo.trace], ids=["count", "trace"])
def test_what_is_no_model_is_told_so_in_a_sentence(model: Any, sentence: str, how: Any) -> None:
    with pytest.raises(InputError, match=sentence):
        how(model, (3,))


@pytest.mark.parametrize(
    "given", ["3x224x224", (3, "224"), (3.0, 224), (3, -1), (True,), [(3,), "mask"], {"x": "y"}, np.zeros((1, 3)), object()]
)
def test_what_is_no_input_is_told_which_forms_there_are(given: Any) -> None:
    with pytest.raises(InputError, match=r"^Nothing can be made of the input .*Give a shape without the batch"):
        zoo.count(nn.Linear(8, 5), given)


def test_shape_and_inputs_exclude_each_other() -> None:
    for given in ({}, {"shape": (8,), "inputs": (torch.zeros(1, 8),)}, {"shape": (8,), "kwargs": {}}):
        with pytest.raises(InputError, match="Give either a shape"):
            zoo.count(nn.Linear(8, 5), **given)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_a_nested_tensor_is_counted_if_it_is_jagged() -> None:
    """Three and five rows."""
    rows = [torch.zeros(3, 8), torch.zeros(5, 8)]
    assert zoo.count(nn.Linear(8, 5), torch.nested.nested_tensor(rows, layout=torch.jagged)).macs == (3 + 5) * 8 * 5
    with pytest.raises(InputError, match=r"cannot be counted\. Make it with layout=torch\.jagged\.$"):
        zoo.count(nn.Linear(8, 5), torch.nested.nested_tensor(rows))
