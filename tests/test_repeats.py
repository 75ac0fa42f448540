"""Calls of blocks that are answered without running them: only where running them would give the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from zoo.counting.cost import Cost
from zoo.counting.count import count_model, meta_input
from zoo.counting.recorder import Memo
from zoo.counting.structure import Structures, is_of_a_library

WIDTH = 4
BLOCKS = 6


class Block(nn.Module):
    """A residual block. It says how often it ran, and may be told to do something else as well."""

    ran = 0
    also: Callable[[Block, Tensor, Tensor], Any] | None = None

    def __init__(self, width: int = WIDTH, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.norm, self.linear, self.act = nn.LayerNorm(width), nn.Linear(width, width), nn.GELU()

    def forward(self, x: Tensor) -> Any:
        Block.ran += 1
        wide = torch.cat([x, x], -1)
        out = x + self.act(self.linear(self.norm(x))) * self.scale
        del wide
        return out if Block.also is None else Block.also(self, x, out)


Block.__module__ = "timm.made_for_tests"


class Stack(nn.Module):
    """Blocks one after another; `between` is called with each before it runs."""

    def __init__(self, blocks: list[nn.Module], between: Callable[[int, nn.Module], Any] = lambda i, block: None) -> None:
        super().__init__()
        self.blocks, self.between = nn.ModuleList(blocks), between

    def forward(self, x: Any) -> Any:
        for i, block in enumerate(self.blocks):
            self.between(i, block)
            x = block(x)
            x = x[0] if isinstance(x, tuple) else x
        return x


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    Block.also = None


def counted(model: nn.Module, memo: Memo | None, x: Tensor | None = None) -> tuple[Cost, int]:
    """The cost, and how often a block ran for it."""
    Block.ran = 0
    model = model.to("meta").eval()
    cost = count_model(model, [meta_input((3, WIDTH)) if x is None else x], memo)
    return cost, Block.ran


def figures(cost: Cost) -> tuple[Any, ...]:
    return cost.rows, cost.peak_activation_bytes, cost.peak_module, cost.params, cost.modules, cost.status


def check(make: Callable[[], nn.Module], runs: int) -> None:
    """Counted with a memo, everything is as without, and blocks run so often."""
    plain, all_runs = counted(make(), None)
    remembered, few_runs = counted(make(), Memo())
    assert figures(remembered) == figures(plain)
    assert (all_runs, few_runs) == (BLOCKS, runs)


def test_a_block_that_was_called_twice_is_not_run_again() -> None:
    check(lambda: Stack([Block() for _ in range(BLOCKS)]), runs=2)


def test_blocks_are_known_in_the_next_model() -> None:
    memo = Memo()
    counted(Stack([Block() for _ in range(BLOCKS)]), memo)
    cost, runs = counted(Stack([Block(), Block()]), memo)
    assert runs == 0
    assert figures(cost) == figures(counted(Stack([Block(), Block()]), None)[0])


def test_blocks_that_differ_in_a_plain_attribute_are_told_apart() -> None:
    check(lambda: Stack([Block(scale=float(i % 3)) for i in range(BLOCKS)]), runs=BLOCKS)


def test_blocks_around_other_modules_are_told_apart() -> None:
    def make() -> nn.Module:
        blocks = [Block() for _ in range(BLOCKS)]
        for block in blocks[BLOCKS // 2 :]:
            block.act = nn.Softmax(-1)  # type: ignore[assignment]
        return Stack(blocks)  # type: ignore[arg-type]

    check(make, runs=4)


def test_other_shapes_are_run() -> None:
    memo = Memo()
    model = Stack([Block() for _ in range(BLOCKS)])
    counted(model, memo)
    cost, runs = counted(model, memo, meta_input((5, WIDTH)))
    assert runs == 2
    assert cost.macs == BLOCKS * 5 * WIDTH * WIDTH


def test_a_block_changed_on_the_way_is_run() -> None:
    def change(i: int, block: nn.Module) -> None:
        block.linear = nn.Linear(WIDTH, WIDTH, bias=False, device="meta") if i % 2 else block.linear

    check(lambda: Stack([Block() for _ in range(BLOCKS)], change), runs=BLOCKS)


def test_an_attribute_deleted_on_the_way_is_noticed() -> None:
    def change(i: int, block: nn.Module) -> None:
        if i == BLOCKS - 1:
            del block.norm
            block.norm = nn.Identity()

    check(lambda: Stack([Block() for _ in range(BLOCKS)], change), runs=3)


def test_classes_of_others_always_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Block, "__module__", "somebody.models")
    is_of_a_library.cache_clear()
    try:
        check(lambda: Stack([Block() for _ in range(BLOCKS)]), runs=BLOCKS)
    finally:
        monkeypatch.undo()
        is_of_a_library.cache_clear()


def keeps_a_tensor_in_itself(block: Block, x: Tensor, out: Tensor) -> Tensor:
    block.last = out * 2
    return out


KEPT: list[Tensor] = []


def keeps_a_tensor_elsewhere(block: Block, x: Tensor, out: Tensor) -> Tensor:
    KEPT.append(out * 2)
    return out


def returns_a_view(block: Block, x: Tensor, out: Tensor) -> Tensor:
    return torch.cat([out, out], 1)[:, :3]


def returns_a_mapping(block: Block, x: Tensor, out: Tensor) -> Any:
    return (out, {"more": out})


def returns_a_tensor_twice(block: Block, x: Tensor, out: Tensor) -> Any:
    return (out, out.flatten(1))


@pytest.mark.parametrize(
    "also",
    [keeps_a_tensor_in_itself, keeps_a_tensor_elsewhere, returns_a_view, returns_a_mapping, returns_a_tensor_twice],
    ids=lambda also: also.__name__,
)
def test_a_block_that_does_more_than_can_be_kept_always_runs(also: Callable[[Block, Tensor, Tensor], Any]) -> None:
    Block.also = also
    check(lambda: Stack([Block() for _ in range(BLOCKS)]), runs=BLOCKS)
    KEPT.clear()


def returns_its_argument(block: Block, x: Tensor, out: Tensor) -> Tensor:
    return x.add_(out)


def returns_several(block: Block, x: Tensor, out: Tensor) -> Any:
    return (out, x, out * 2)


def returns_another_layout(block: Block, x: Tensor, out: Tensor) -> Tensor:
    return out.transpose(1, 2).contiguous().transpose(1, 2)


@pytest.mark.parametrize("also", [returns_its_argument, returns_several], ids=lambda also: also.__name__)
def test_what_comes_out_is_what_would_have(also: Callable[[Block, Tensor, Tensor], Any]) -> None:
    Block.also = also
    check(lambda: Stack([Block() for _ in range(BLOCKS)]), runs=2)


def test_the_layout_of_a_result_is_kept() -> None:
    Block.also = returns_another_layout
    check(lambda: Stack([Block() for _ in range(BLOCKS)]), runs=3)  # the second block is the first to get that layout


def test_a_hook_is_called_each_time() -> None:
    called: list[nn.Module] = []

    def make() -> nn.Module:
        blocks: list[nn.Module] = [Block() for _ in range(BLOCKS)]
        for block in blocks:
            block.linear.register_forward_hook(lambda module, args, out: called.append(module))  # type: ignore[union-attr]
        return Stack(blocks)

    check(make, runs=BLOCKS)
    assert len(called) == 2 * BLOCKS


def test_one_module_in_two_places_is_run_in_both() -> None:
    shared = nn.Linear(WIDTH, WIDTH)

    def make() -> nn.Module:
        blocks = [Block() for _ in range(BLOCKS)]
        for block in blocks:
            block.linear = shared
        return Stack(blocks)  # type: ignore[arg-type]

    plain, _ = counted(make(), None)
    remembered, runs = counted(make(), Memo())
    assert figures(remembered) == figures(plain)
    assert runs == BLOCKS


class Attention(nn.Module):
    """Attention of something to itself, or to another."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.MultiheadAttention(WIDTH, 2, batch_first=True) for _ in range(BLOCKS)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            other = x + 1
            x = layer(x, x, x, need_weights=False)[0] + layer(x, other, other, need_weights=False)[0]
        return x


def test_an_argument_given_twice_is_told_from_two_alike() -> None:
    plain, remembered = (counted(Attention(), memo)[0] for memo in (None, Memo()))
    assert figures(remembered) == figures(plain)


class Caught(nn.Module):
    """Goes on where a block fails."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(BLOCKS)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            try:
                block(x[..., :2])
            except RuntimeError:
                x = block(x)
        return x


def test_a_block_that_fails_is_no_answer() -> None:
    plain, remembered = (counted(Caught(), memo)[0] for memo in (None, Memo()))
    assert figures(remembered) == figures(plain)


def test_changing_the_code_of_a_class_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    memo = Memo()
    counted(Stack([Block() for _ in range(BLOCKS)]), memo)
    monkeypatch.setattr(Block, "forward", lambda self, x: self.linear(self.linear(x)))
    cost, _ = counted(Stack([Block() for _ in range(BLOCKS)]), memo)
    assert cost.macs == 2 * BLOCKS * 3 * WIDTH * WIDTH


PARTS: dict[str, Callable[[], nn.Module]] = {
    "block": Block,
    "sequence": lambda: nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH)),
    "encoder": lambda: nn.TransformerEncoderLayer(WIDTH, 2, 3 * WIDTH, batch_first=True),
    "scaled": lambda: Block(scale=0.5),
    "nested": lambda: nn.Sequential(Block(), nn.Sequential(Block(), Block())),
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=8), st.integers(1, 4))
def test_any_model_counts_the_same_with_and_without_memory(names: list[str], length: int) -> None:
    memo = Memo()
    for _ in range(3):
        x = meta_input((length, WIDTH))
        plain, _ = counted(Stack([PARTS[name]() for name in names]), None, x)
        remembered, _ = counted(Stack([PARTS[name]() for name in names]), memo, x)
        assert figures(remembered) == figures(plain)


def structure(module: nn.Module, structures: Structures) -> int | None:
    return structures.of(module, tuple([structure(child, structures) for child in module.children()]))


def test_equal_modules_have_one_structure_and_others_another() -> None:
    structures = Structures()
    assert structure(nn.Conv2d(3, 4, 3), structures) is None, "it holds numbers"
    modules = [
        nn.Conv2d(3, 4, 3, device="meta"), nn.Conv2d(3, 4, 3, stride=2, device="meta"), nn.Conv2d(3, 5, 3, device="meta"),
        nn.Conv2d(3, 4, 3, bias=False, device="meta"), nn.Conv2d(3, 4, 3, dtype=torch.float16, device="meta"), nn.ReLU(),
        nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU(), nn.ReLU()), nn.Sequential(nn.Sequential(nn.ReLU())),
        nn.ModuleDict({"a": nn.ReLU()}), nn.ModuleDict({"b": nn.ReLU()}), nn.ReLU().eval(),
    ]  # fmt: skip
    numbers = [structure(module, structures) for module in modules]
    assert None not in numbers
    assert len(set(numbers)) == len(modules)
    assert structure(nn.Conv2d(3, 4, 3, device="meta"), structures) == numbers[0]


def test_buffers_of_whole_numbers_are_told_apart_by_what_they_hold() -> None:
    structures = Structures()

    def made(*values: int) -> nn.Module:
        module = nn.ReLU()
        module.register_buffer("index", torch.tensor(values))
        return module

    assert structure(made(1, 2), structures) == structure(made(1, 2), structures)
    assert structure(made(1, 2), structures) != structure(made(2, 1), structures)
