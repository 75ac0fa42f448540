"""Models that decide by values: run on random data, counted by the same recorder, and a bound where the data decide on the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from models_for_tests import Calling
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit

import zoo
from zoo.counting import count_with_values
from zoo.errors import ZooError
from zoo.records import Status

WIDTH = 8
ROW_MACS = WIDTH * WIDTH
RANDOM, GIVEN = (f"depends on data: counted for {which} input" for which in ("a random", "the given"))


class Layered(nn.Module):
    """A function of a linear layer and an input."""

    def __init__(self, function: Callable[[nn.Module, Any], Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(self.layer, x)


def after_item(layer: nn.Module, x: Tensor) -> Any:
    return layer(x) if x.abs().sum().item() >= 0 else x


def after_branch(layer: nn.Module, x: Tensor) -> Any:
    return layer(x) if x.sum() == x.sum() else layer(layer(x))


def through_numpy(layer: nn.Module, x: Tensor) -> Any:
    return layer(torch.from_numpy(x.numpy()))


def through_list(layer: nn.Module, x: Tensor) -> Any:
    return layer(torch.tensor(x.tolist()))


@pytest.mark.parametrize("function", [after_item, after_branch, through_numpy, through_list])
@pytest.mark.parametrize(("given", "reason"), [((5, WIDTH), RANDOM), (torch.ones(1, 5, WIDTH), GIVEN)], ids=["shape", "tensor"])
def test_what_reads_values_is_run_with_them(function: Any, given: Any, reason: str) -> None:
    """Whatever the values, one linear layer for five rows."""
    cost = zoo.count(Layered(function), given)
    assert (cost.macs, cost.status, cost.reason) == (5 * ROW_MACS, Status.BOUND, reason)
    assert {row.module for row in cost.rows if row.op.macs} == {"layer"}


def positive(layer: nn.Module, x: Tensor) -> Any:
    return layer(x[x[:, 0] > 0])


def found(layer: nn.Module, x: Tensor) -> Any:
    return layer(x[(x[:, 0] > 0).nonzero()[:, 0]])


def placed(layer: nn.Module, x: Tensor) -> Any:
    return layer(x[torch.where(x[:, 0] > 0)])


def split(layer: nn.Module, x: Tensor) -> Any:
    return layer(torch.tensor_split(x, x[0, :1].long())[1])


@pytest.mark.parametrize("function", [positive, found, placed])
def test_a_mask_counts_the_rows_that_the_given_data_leave(function: Any) -> None:
    x = torch.ones(5, WIDTH)
    x[1, 0] = -1
    cost = zoo.count(Layered(function), x)
    assert (cost.macs, cost.reason) == (4 * ROW_MACS, GIVEN)
    again = [zoo.count(Layered(function), (WIDTH,), batch=50) for _ in range(2)]
    assert again[0].macs == again[1].macs  # the seed is fixed
    assert 0 < again[0].macs < 50 * ROW_MACS
    assert again[0].reason == RANDOM


def test_a_tensor_that_says_where_to_split_is_read() -> None:
    """The first number is 1, so that four of five rows are left."""
    cost = zoo.count(Layered(split), torch.ones(5, WIDTH))
    assert (cost.macs, cost.reason) == (4 * ROW_MACS, GIVEN)


class Gated(nn.Module):
    """A layer that is left out if a buffer says so."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("gate", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x) if self.get_buffer("gate") > -1 else x
        return y


def test_a_buffer_is_data_only_where_its_values_are_not_known() -> None:
    known = zoo.count(Gated(), (WIDTH,))
    assert (known.macs, known.reason) == (ROW_MACS, None)
    unknown = zoo.count(Gated().to("meta"), (WIDTH,))
    assert (unknown.macs, unknown.reason) == (ROW_MACS, RANDOM)


class Experts(nn.Module):
    """A mixture of four experts; each token goes to two."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, 4)
        self.experts = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(4)])

    def forward(self, tokens: Tensor) -> Tensor:
        weights, chosen = self.gate(tokens).softmax(-1).topk(2)
        out = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            rows, places = (chosen == number).nonzero(as_tuple=True)
            out.index_add_(0, rows, expert(tokens[rows]) * weights[rows, places, None])
        return out


def test_routing_to_experts_counts_each_token_as_often_as_it_is_routed() -> None:
    """Ten tokens: the gate's 8 × 4 products and twice an expert's 8 × 8."""
    cost = zoo.count(Experts(), (WIDTH,), batch=10)
    assert (cost.macs, cost.reason) == (10 * (WIDTH * 4 + 2 * ROW_MACS), RANDOM)


class Packed(nn.Module):
    """A recurrent layer over sequences of different lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(4, 8, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        out, _ = self.layer(packed)
        padded: Tensor = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0]
        return padded


def test_packed_sequences_count_their_steps_and_given_lengths_are_no_data() -> None:
    """10 + 7 + 4 steps; three gates of 8, each of 4 inputs and 8 states."""
    cost = zoo.count(Packed(), (torch.zeros(3, 10, 4), torch.tensor([10, 7, 4])))
    assert cost.macs == (10 + 7 + 4) * 3 * 8 * (4 + 8) == 6048
    assert (cost.status, cost.reason) == (Status.EXACT, None)


def attention_macs(queries: int, keys: int, width: int) -> int:
    """Projections of queries and results, of keys and values, scores and weighted values."""
    return 2 * queries * width**2 + 2 * keys * width**2 + 2 * queries * keys * width


CAUSAL = nn.Transformer.generate_square_subsequent_mask(6)


@pytest.mark.parametrize(
    ("mask", "reason"), [(CAUSAL, None), (torch.ones(6, 6), None), (CAUSAL.isinf(), None), (CAUSAL.to("meta"), RANDOM)]
)
def test_a_transformer_with_a_mask_runs_part_by_part(mask: Tensor, reason: str | None) -> None:
    """Width 16, hidden 32; five source tokens, six target tokens.

    torch asks whether a mask is causal, to say so to its kernel in place of the mask. A given mask is part of the question, and of a
    mask that is not given its additions are not known; the products are the same.
    """
    model = nn.Transformer(16, 2, 1, 1, 32, batch_first=True)
    cost = zoo.count(model, inputs=(torch.zeros(1, 5, 16), torch.zeros(1, 6, 16)), kwargs={"tgt_mask": mask})
    encoder = attention_macs(5, 5, 16) + 5 * 2 * 16 * 32
    decoder = attention_macs(6, 6, 16) + attention_macs(6, 5, 16) + 6 * 2 * 16 * 32
    assert cost.macs == encoder + decoder
    assert {"encoder.layers.0.linear1", "decoder.layers.0.multihead_attn"} <= {row.module for row in cost.rows}
    assert cost.reason == reason


def test_a_sparse_matrix_multiplies_where_it_has_entries() -> None:
    """Three entries, each with a row of 4."""
    matrix = torch.zeros(5, 8)
    matrix[0, 1] = matrix[2, 2] = matrix[4, 7] = 1
    sparse = matrix.to_sparse()
    cost = zoo.count(Calling(lambda x: torch.sparse.mm(sparse, x)), torch.zeros(8, 4))
    assert (cost.macs, cost.status) == (3 * 4, Status.EXACT)
    given = zoo.count(Calling(torch.sparse.mm), (sparse, torch.zeros(8, 4)))
    assert (given.macs, given.status) == (3 * 4, Status.EXACT)


def test_making_a_matrix_sparse_depends_on_data() -> None:
    cost = zoo.count(Calling(lambda x: torch.sparse.mm(x.relu().to_sparse(), torch.ones(8, 4))), torch.ones(5, 8))
    assert (cost.macs, cost.reason) == (5 * 8 * 4, GIVEN)


def test_sequences_of_a_jagged_tensor_count_their_own_tokens() -> None:
    def run(layer: nn.Module, x: Tensor) -> Any:
        return layer(torch.nested.nested_tensor([x[0, :3], x[1, :5]], layout=torch.jagged))

    assert zoo.count(Layered(run), torch.zeros(2, 5, WIDTH)).macs == (3 + 5) * ROW_MACS


def test_a_model_that_holds_no_data_gets_small_random_weights_meanwhile() -> None:
    model = Layered(after_item).to("meta")
    cost = zoo.count(model, (WIDTH,))
    assert (cost.macs, cost.params) == (ROW_MACS, ROW_MACS + WIDTH)
    assert model.layer.weight.is_meta


class Changing(nn.Module):
    """Changes itself in a pass that needs values."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH, WIDTH))
        self.register_buffer("mean", torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.weight.mul_(2)
            self.get_buffer("mean").add_(x.mean(0))
        torch.rand(3)
        return F.linear(x, self.weight) if x.sum().item() != 0.5 else x


def test_a_pass_with_values_leaves_everything_as_it_was() -> None:
    model, state = Changing(), torch.get_rng_state()
    x = torch.ones(2, WIDTH)
    assert zoo.count(model, x).macs == 2 * ROW_MACS
    assert torch.equal(model.weight, torch.ones(WIDTH, WIDTH))
    assert not model.get_buffer("mean").any()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, torch.ones(2, WIDTH))
    assert torch.Tensor.tolist(x[0, :2]) == [1.0, 1.0]
    Layered(after_item)(torch.ones(1, WIDTH)).sum().backward()


def test_limits_of_time_and_memory_end_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_with_values, "_SECONDS", 0.0)
    with pytest.raises(
        ZooError, match=r"depends on data, and running it with random data takes more than 0 s: give a smaller input"
    ):
        zoo.count(Layered(after_item), (WIDTH,))
    monkeypatch.undo()
    monkeypatch.setattr(count_with_values, "_free_bytes", lambda: 1000)
    with pytest.raises(ZooError, match=r"takes more than .* of memory"):
        zoo.count(Layered(after_item), (WIDTH,), batch=100)
    with pytest.raises(ZooError, match=r"its weights with values take .* of the .* that may be used"):
        zoo.count(nn.Sequential(nn.Linear(50, WIDTH), Layered(after_item)).to("meta"), (50,))


def test_what_fails_with_values_too_raises_as_it_does_in_torch() -> None:
    def fail(layer: nn.Module, x: Tensor) -> Any:
        raise KeyError(x.sum().item() * 0)

    with pytest.raises(KeyError, match=r"0\.0"):
        zoo.count(Layered(fail), (WIDTH,))
