"""The training columns of a cost: a step of training of the same model at the same input, or the reason why there is none."""

from __future__ import annotations

from typing import Any

from torch import nn

from zoo.adapters.base import Example
from zoo.recording.memo import Memo
from zoo.records import Status
from zoo.training.count_training import count_training
from zoo.training.training_cost import TrainingCost


def count_example_training(model: nn.Module, example: Example, memo: Memo) -> dict[str, Any]:
    """The columns of a step with the example input of a zoo.

    Raises:
        Exception: whatever the model raises, such as a normalisation that cannot be trained with one image.
    """
    with example.context():
        return training_columns(count_training(model, example.args, memo, kwargs=example.kwargs))


def training_columns(cost: TrainingCost) -> dict[str, Any]:
    """A step of training as columns of `costs`."""
    return {
        "training_status": cost.status.value,
        "training_reason": cost.reason,
        "training_forward_macs": cost.forward.macs,
        "training_backward_macs": cost.backward.macs,
        "training_saved_bytes": cost.saved_bytes,
        "training_gradient_bytes": cost.gradient_bytes,
        "training_sgd_step_bytes": cost.step_bytes("sgd"),
        "training_momentum_step_bytes": cost.step_bytes("sgd-momentum"),
        "training_adam_step_bytes": cost.step_bytes("adamw"),
    }


def failed_training(reason: str) -> dict[str, Any]:
    """The columns of a step that cannot be counted; the columns of inference do not change."""
    return {"training_status": Status.FAILED.value, "training_reason": reason}
