"""Operators that torch does not bring, that are made of others, or that meet tensors with data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import torch
from models_for_tests import Calling, count_call, on_meta, rows_of
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit

import zoo
from zoo.operators.operator_kinds import MATRIX_KINDS, OPERATIONS, WHY_FREE, Kind
from zoo.operators.operator_table import COUNTED, FREE, OVERWRITING
from zoo.recording.memo import Memo
from zoo.records import Status

BATCH, WIDTH = 2, 6


def vectors() -> Tensor:
    return on_meta(BATCH, WIDTH)


@torch.library.custom_op("zoometer_tests::mystery", mutates_args=())
def mystery(x: Tensor) -> Tensor:
    return x.clone()


@mystery.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@pytest.fixture(scope="module")
def library() -> Iterator[torch.library.Library]:
    """Operators of a user's library: one made of others, one that returns nothing."""
    made = torch.library.Library("zoometer_tests_parts", "DEF")
    made.define("gram(Tensor x) -> Tensor")
    made.impl("gram", lambda x: (x @ x.mT).relu(), "CompositeImplicitAutograd")
    made.define("report(Tensor x) -> ()")
    made.impl("report", lambda x: None, "Meta")
    yield made
    made._destroy()


def test_an_operator_without_formula_makes_the_cost_a_bound_and_is_named() -> None:
    layer = nn.Linear(WIDTH, WIDTH, device="meta")
    cost = count_call(lambda x: mystery(mystery(layer(x))), vectors())
    assert cost.status == Status.BOUND
    assert cost.uncounted == {"zoometer_tests::mystery": 2}
    assert cost.reason == "operators without a formula: zoometer_tests::mystery (2 calls); give them one with zoo.formula"
    assert cost.macs == BATCH * WIDTH * WIDTH


def test_even_an_operator_that_returns_nothing_is_not_silently_left_out(library: torch.library.Library) -> None:
    cost = count_call(torch.ops.zoometer_tests_parts.report, vectors())
    assert cost.uncounted == {"zoometer_tests_parts::report": 1}


@pytest.mark.parametrize("memo", [None, Memo()], ids=["without memo", "with memo"])
def test_an_unknown_operator_made_of_others_is_taken_apart(library: torch.library.Library, memo: Memo | None) -> None:
    for _ in range(2):
        cost = count_call(torch.ops.zoometer_tests_parts.gram, vectors(), memo=memo)
        assert cost.status == Status.EXACT
        assert rows_of(cost) == [("", "matmul", 1), ("", "relu", 1)]
        assert cost.macs == BATCH * WIDTH * BATCH


@pytest.mark.parametrize("order", [None, "fro", 2, -2, "nuc", 1, float("inf")])
def test_a_norm_of_matrices_is_no_free_operation_where_it_takes_a_decomposition(order: float | str | None) -> None:
    """Orders 2, -2 and nuclear are made of singular values; the others of sums and comparisons."""
    cost = count_call(lambda x: torch.linalg.norm(x, ord=order, dim=(-2, -1)), on_meta(3, 4, 5))
    has_decomposition = order in {2, -2, "nuc"}
    assert cost.status == (Status.BOUND if has_decomposition else Status.EXACT)
    assert cost.uncounted == ({"aten::_linalg_svd": 1} if has_decomposition else {})


@pytest.mark.parametrize("order", [None, 1, 2, 3.5, float("inf")])
def test_a_norm_of_vectors_multiplies_no_operands(order: float | None) -> None:
    cost = count_call(lambda x: torch.linalg.norm(x, ord=order, dim=-1), on_meta(3, 4, 5))
    assert (cost.status, cost.macs) == (Status.EXACT, 0)


@pytest.mark.parametrize("is_weighted", [True, False])
def test_an_embedding_bag_multiplies_where_it_has_weights(is_weighted: bool) -> None:
    """12 rows of 16 features, in 3 bags; without weights they are only added."""
    layer = nn.EmbeddingBag(100, 16, mode="sum", device="meta")
    indices, weights = on_meta(3, 4, dtype=torch.int64), on_meta(3, 4) if is_weighted else None
    cost = count_call(lambda x: layer(x, per_sample_weights=weights), indices)
    assert (cost.status, cost.macs) == (Status.EXACT, 12 * 16 if is_weighted else 0)
    assert bool(cost.activations) == is_weighted
    assert [row.op.kind for row in cost.rows if "bag" in row.op.operation] == [Kind.MATMUL if is_weighted else Kind.REDUCE]


def test_marks_of_a_profiler_are_no_operations() -> None:
    """`nn.DataParallel` makes one around each pass."""

    def marked(x: Tensor) -> Tensor:
        with torch.profiler.record_function("a part"):
            return x.exp()

    assert rows_of(count_call(marked, vectors())) == [("", "exp", 1)]
    cost = zoo.count(nn.DataParallel(nn.Linear(WIDTH, WIDTH)), (WIDTH,))
    assert (cost.status, cost.macs) == (Status.EXACT, WIDTH * WIDTH)
    trace = zoo.trace(Calling(marked), (WIDTH,))
    assert [call.operation for call in trace.calls] == ["exp"]


def test_torchs_own_composites_are_taken_apart() -> None:
    cost = count_call(lambda *matrices: torch.linalg.multi_dot(matrices), on_meta(2, 3), on_meta(3, 4), on_meta(4, 5))
    assert [row.op.macs for row in cost.rows] == [2 * 3 * 4, 2 * 4 * 5]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * torch.ones(WIDTH, device="cpu"),
        lambda x: x * torch.tensor(2.0),
        lambda x: x + torch.arange(WIDTH, device="cpu"),
        lambda x: F.linear(x, torch.ones(3, WIDTH)),
        lambda x: torch.cat([x, torch.zeros(BATCH, WIDTH)]),
        lambda x: torch.where(torch.ones(WIDTH, dtype=torch.bool), x, 0.0),
        lambda x: x.add_(torch.ones(WIDTH)),
        lambda x: x[:, torch.tensor([0, 2])],
        lambda x: x[torch.tensor([True, False])],
    ],
    ids=["mul", "number", "integers", "linear", "cat", "where", "in place", "index", "mask"],
)
def test_constants_on_the_cpu_meet_activations_without_data(function: Callable[[Tensor], Tensor]) -> None:
    expected = function(torch.zeros(BATCH, WIDTH)).shape
    results: list[Tensor] = []
    memo = Memo()
    for _ in range(2):
        cost = count_call(lambda x: results.append(function(x)), vectors(), memo=memo)
        assert cost.status == Status.EXACT, cost.reason
    assert [(result.device.type, result.shape) for result in results] == [("meta", expected)] * 2


SPARSE = "its work depends on how many entries are not zero"
SOLVER = "a factorisation or a solution of equations, not a sum of products"
PACKED = "sequences of different lengths, or weights whose shape is packed away, do not show the work"
OTHER_DEVICE = "a kernel of a device that has no meta kernel"
NO_WORK = "prepares weights or indices"
UNCOUNTED = {
    SPARSE: """_cslt_sparse_mm _cslt_sparse_mm_search _sparse_mm_reduce_impl _sparse_semi_structured_addmm
        _sparse_semi_structured_linear _sparse_semi_structured_mm _sparse_sparse_matmul _spsolve hspmm sparse_sampled_addmm
        sspaddmm""",
    SOLVER: """_cholesky_solve_helper _compute_linear_combination _linalg_det _linalg_eigh _linalg_eigvals _linalg_slogdet
        _linalg_solve_ex _linalg_svd cholesky_inverse cholesky_solve geqrf linalg_cholesky_ex linalg_eig linalg_eigvals
        linalg_householder_product linalg_inv_ex linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq linalg_lu
        linalg_lu_factor_ex linalg_lu_solve linalg_matrix_exp linalg_matrix_sqrth linalg_pinv linalg_polar linalg_qr
        linalg_solve_triangular lu_unpack ormqr triangular_solve linalg__powsum""",
    PACKED: """_cudnn_attention_forward _efficient_attention_forward _flash_attention_forward
        _flash_attention_forward_no_dropout_inplace _trilinear""",
    OTHER_DEVICE: "_lstm_mps",
    NO_WORK: """_nested_get_jagged_dummy slice_inverse _convert_weight_to_int4pack _convert_weight_to_int4pack_for_cpu _cudnn_rnn_flatten_weight
        _dyn_quant_pack_4bit_weight mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight""",
}
"""Operators that make a cost a bound, and why they have no formula."""

MATRIX_LIKE = re.compile(
    r"(?<!cu)(?<!ha)mm(?!a)|matmul|conv(?!ert_indices)|(?<!bi)(?<!tri)linear|attention|gemm|einsum|lstm|gru|rnn|fft|dist$|dist_|dot"
    r"|addmv|addr$|(?<!inte)ger$|kron|outer|linalg|cholesky|(?<!re)solve|inverse$|\blu_|_lu$|qr$|geqrf|ormqr|svd|(?<!w)eig(?!ht)|matrix"
    r"|transformer|^bilinear$|^_trilinear$|affine_grid"
)


def _is_made_of_others(names: list[str]) -> bool:
    return all(torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd") for name in names)


def test_no_operator_of_torch_that_multiplies_matrices_is_left_out() -> None:
    """Every one in the registry is counted, taken apart, or named here with the reason: a new torch's new one fails this test."""
    overloads: dict[str, list[str]] = {}
    for name in torch._C._dispatch_get_all_op_names():
        library, _, rest = name.partition("::")
        if library in {"aten", "torchvision"}:
            overloads.setdefault(rest.partition(".")[0], []).append(name)
    known_uncounted = {name for names in UNCOUNTED.values() for name in names.split()}
    missing = set()
    for base, names in overloads.items():
        if "backward" in base or not MATRIX_LIKE.search(base) or base in known_uncounted:
            continue
        name = base.removesuffix("_") if not base.endswith("__") else base
        operation = OPERATIONS.get(name) or OPERATIONS.get(f"torchvision::{name}")
        if operation is None and not _is_made_of_others(names):
            missing.add(base)
    assert not missing
    assert not {name for name in known_uncounted if OPERATIONS.get(name)}


def test_every_operator_is_of_one_kind_and_every_free_kind_says_why() -> None:
    counted = [name for _, _, names in COUNTED for name in names.split()]
    free = [name for names in FREE.values() for name in names.split()]
    assert len({*counted, *free}) == len(counted) + len(free)
    assert {Kind(kind) for kind in FREE} == set(WHY_FREE)
    assert {Kind(kind) for kind, _, _ in COUNTED} == MATRIX_KINDS
    assert not WHY_FREE.keys() & MATRIX_KINDS
    assert set(OVERWRITING) <= set(free)


def test_no_free_kernel_of_torch_hides_a_matrix_product() -> None:
    """A free operator that is made of others must be made of free ones; one with a kernel of its own is judged by its name."""
    hidden = [name for names in FREE.values() for name in names.split() if MATRIX_LIKE.search(name)]
    assert set(hidden) <= {
        "linalg_vector_norm", "_linalg_check_errors", "linalg_cross", "logaddexp", "_fft_r2c", "_fft_c2c", "_fft_c2r", "dist", "addr",
        "upsample_linear1d", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "fft_fftfreq", "fft_rfftfreq",
    }  # fmt: skip


def test_memory_that_is_only_reserved_is_no_traffic() -> None:
    cost = count_call(lambda x: torch.empty_like(x).copy_(x), vectors())
    assert rows_of(cost) == [("", "copy", 1)]
    assert (cost.bytes_read, cost.bytes_written) == (BATCH * WIDTH * 4, BATCH * WIDTH * 4)
    assert cost.peak_activation_bytes == BATCH * WIDTH * 4


def test_what_is_filled_is_not_read() -> None:
    cost = count_call(lambda x: x.new_zeros(BATCH, WIDTH).fill_(1.0).zero_(), vectors())
    assert (cost.bytes_read, cost.bytes_written) == (0, 3 * BATCH * WIDTH * 4)


@pytest.mark.parametrize("memo", [None, Memo()], ids=["without memo", "with memo"])
@pytest.mark.parametrize(
    ("move", "operations"),
    [
        (lambda x: x.to("cpu"), []),
        (lambda x: x.cpu(), []),
        (lambda x: x.to(torch.device("cpu", 0), non_blocking=True), []),
        (lambda x: x.to("cpu", torch.float16), ["to"]),
        (lambda x: x.to(device="cpu", copy=True), ["to"]),
        (lambda x: x.to(torch.zeros(1)), ["zeros"]),
    ],
)
def test_a_move_to_another_device_is_none_because_a_model_is_on_one(
    move: Callable[[Tensor], Tensor], operations: list[str], memo: Memo | None
) -> None:
    """What has no data cannot be moved off the meta device; a dtype or a copy asked for on the way is made."""
    results: list[Tensor] = []
    for _ in range(2):
        cost = count_call(lambda x: results.append(move(x)), vectors(), memo=memo)
        assert [row.op.operation for row in cost.rows] == operations
    assert all(result.is_meta for result in results)
    assert [call.operation for call in zoo.trace(Calling(move), inputs=(vectors(),)).calls] == operations
