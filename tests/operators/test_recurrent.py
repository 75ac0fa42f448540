"""Recurrent layers against their definition: at each step every gate multiplies its input and its last output with its weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models_for_tests import macs, on_meta
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from zoo.operators.operator_kinds import Kind

GATES: dict[type[nn.Module], int] = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1, nn.LSTMCell: 4, nn.GRUCell: 3, nn.RNNCell: 1}
small = st.integers(1, 4)


class Recurrent(NamedTuple):
    """A random recurrent layer."""

    kind: Any  # nn.LSTM, nn.GRU or nn.RNN, which differ in what they take
    inputs: int
    hidden: int
    layers: int
    is_bidirectional: bool
    projection: int  # 0: none; only LSTM has one

    def layer(self, **options: Any) -> nn.Module:
        if self.projection:
            options["proj_size"] = self.projection
        made: nn.Module = self.kind(
            self.inputs, self.hidden, self.layers, bidirectional=self.is_bidirectional, device="meta", **options
        )
        return made.eval()

    def products_of_a_step(self) -> int:
        """Layer after layer: what goes in is the input or both directions of the layer below, what comes back its own output."""
        directions, output = 1 + self.is_bidirectional, self.projection or self.hidden
        total, width = 0, self.inputs
        for _ in range(self.layers):
            for _ in range(directions):
                for _ in range(GATES[self.kind] * self.hidden):
                    total += width + output
                total += self.projection * self.hidden
            width = directions * output
        return total


@st.composite
def recurrents(draw: st.DrawFn) -> Recurrent:
    kind = draw(st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]))
    hidden = draw(st.integers(2, 4))
    projection = draw(st.integers(0, hidden - 1)) if kind is nn.LSTM else 0
    return Recurrent(kind, draw(small), hidden, draw(st.integers(1, 3)), draw(st.booleans()), projection)


@given(recurrents(), small, small, st.booleans(), st.booleans())
def test_every_step_of_every_sequence_multiplies_all_weights(
    recurrent: Recurrent, batch: int, steps: int, batch_first: bool, has_bias: bool
) -> None:
    x = on_meta(batch, steps, recurrent.inputs) if batch_first else on_meta(steps, batch, recurrent.inputs)
    counted = macs(Kind.RECURRENT, recurrent.layer(batch_first=batch_first, bias=has_bias), x)
    assert counted == batch * steps * recurrent.products_of_a_step()


@given(recurrents(), small)
def test_a_single_sequence_needs_no_batch(recurrent: Recurrent, steps: int) -> None:
    assert macs(Kind.RECURRENT, recurrent.layer(), on_meta(steps, recurrent.inputs)) == steps * recurrent.products_of_a_step()


@settings(max_examples=30)  # torch takes layers apart into time steps even on the meta device
@given(recurrents(), st.lists(small, min_size=1, max_size=3))
def test_packed_sequences_have_only_their_own_steps(recurrent: Recurrent, lengths: list[int]) -> None:
    padded = on_meta(max(lengths), len(lengths), recurrent.inputs)
    packed = pack_padded_sequence(padded, torch.tensor(sorted(lengths, reverse=True)))
    assert macs(Kind.RECURRENT, recurrent.layer(), packed) == sum(lengths) * recurrent.products_of_a_step()


@given(recurrents(), small, small)
def test_a_state_from_outside_changes_nothing(recurrent: Recurrent, batch: int, steps: int) -> None:
    count = recurrent.layers * (1 + recurrent.is_bidirectional)
    state: Any = on_meta(count, batch, recurrent.projection or recurrent.hidden)
    if recurrent.kind is nn.LSTM:
        state = (state, on_meta(count, batch, recurrent.hidden))
    counted = macs(Kind.RECURRENT, recurrent.layer(), on_meta(steps, batch, recurrent.inputs), state)
    assert counted == batch * steps * recurrent.products_of_a_step()


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_the_nonlinearity_of_a_plain_layer_changes_nothing(nonlinearity: str) -> None:
    recurrent = Recurrent(nn.RNN, 3, 4, 2, True, 0)
    counted = macs(Kind.RECURRENT, recurrent.layer(nonlinearity=nonlinearity), on_meta(5, 2, 3))
    assert counted == 5 * 2 * recurrent.products_of_a_step()


@given(st.sampled_from([nn.LSTMCell, nn.GRUCell, nn.RNNCell]), st.lists(small, max_size=1), small, small)
def test_a_cell_is_one_step_for_each_row(kind: Any, leading: list[int], inputs: int, hidden: int) -> None:
    cell = kind(inputs, hidden, device="meta")
    rows = torch.Size(leading).numel()
    expected = sum(inputs + hidden for _ in range(rows) for _ in range(GATES[kind] * hidden))
    assert macs(Kind.RECURRENT, cell, on_meta(*leading, inputs)) == expected
