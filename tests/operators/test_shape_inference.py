"""Every shortcut against the kernel it stands for: shape, layout, type and identity of the result, or no answer at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zoo.operators.device_layouts import CPU_SHORTCUTS as SHORTCUTS

aten = torch.ops.aten
FLOATS = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
DTYPES = [*FLOATS, torch.int64, torch.uint8, torch.bool]
small = st.integers(1, 4)
Arguments = tuple[list[Any], dict[str, Any]]

NORMS = {aten.layer_norm, aten.group_norm, aten.batch_norm}
OF_TWO = sorted([aten.add, aten.sub, aten.mul, aten.div, aten.pow, aten.clamp_min], key=str)
LAYERS = {aten.linear, aten.conv2d, aten.scaled_dot_product_attention}
RESIZING = [aten.upsample_bicubic2d, aten.upsample_bilinear2d]
REDUCING = [aten.mean, aten.linalg_vector_norm]
ELEMENTWISE = sorted(
    (packet for packet in SHORTCUTS if packet not in {*NORMS, *OF_TWO, *LAYERS, *RESIZING, *REDUCING, aten.cat, aten.roll}),
    key=str,
)


def dense(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


def transposed(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return dense(shape[::-1], dtype).permute(*reversed(range(len(shape))))


def sliced(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return dense([2 * size for size in shape], dtype)[tuple(slice(1, None, 2) for _ in shape)]


def narrowed(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return dense([*shape[:-1], shape[-1] + 1], dtype)[..., 1:]


def channels_last(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return dense(shape, dtype).to(memory_format=torch.channels_last) if len(shape) == 4 else transposed(shape, dtype)


def expanded(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return dense([1, *shape[1:]], dtype).expand(*shape)


LAYOUTS = [dense, transposed, sliced, narrowed, channels_last, expanded]


@st.composite
def tensors(
    draw: st.DrawFn, *, dtypes: Sequence[torch.dtype] = DTYPES, layouts: Sequence[Callable[..., Tensor]] = LAYOUTS
) -> Tensor:
    shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    x: Tensor = draw(st.sampled_from(layouts))(shape, draw(st.sampled_from(dtypes)))
    return x


def outcome(function: Callable[..., Any], arguments: Arguments) -> Any:
    """What a kernel returns, or the exception it raises."""
    args, kwargs = arguments
    try:
        with torch.inference_mode():
            return function(*args, **kwargs)
    except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError, ZeroDivisionError) as error:
        return error


def strides(tensor: Tensor) -> list[int]:
    """Of the dimensions that have a next element; the others' say nothing, and torch's own kernels differ in them."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1 and tensor.numel()]


def looks(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, strides(tensor), tensor.dtype, tensor.device


def check(packet: Any, arguments: Arguments) -> Tensor | None:
    """The shortcut's answer, which is the kernel's or none."""
    args, kwargs = arguments
    with torch.inference_mode():
        answer = SHORTCUTS[packet](args, kwargs)
    if answer is None:
        return None
    real = outcome(packet, arguments)
    assert isinstance(real, Tensor), f"{packet} answers where the kernel fails: {real}"
    assert looks(answer) == looks(real)
    assert (answer is args[0]) == (real is args[0])
    return answer


def test_every_shortcut_is_tested_here() -> None:
    assert {*ELEMENTWISE, *NORMS, *OF_TWO, *LAYERS, *RESIZING, *REDUCING, aten.cat, aten.roll} == set(SHORTCUTS)


@pytest.mark.parametrize("packet", ELEMENTWISE, ids=str)
@settings(max_examples=40)
@given(x=tensors())
def test_elementwise_operators_answer_as_their_kernels(packet: Any, x: Tensor) -> None:
    check(packet, ([x], {}))


@pytest.mark.parametrize("packet", ELEMENTWISE, ids=str)
@settings(max_examples=40)
@given(x=tensors(dtypes=FLOATS, layouts=[dense]))
def test_elementwise_operators_have_an_answer_for_plain_tensors(packet: Any, x: Tensor) -> None:
    assert check(packet, ([x], {})) is not None


@pytest.mark.parametrize(
    ("packet", "args", "kwargs"),
    [
        (aten.gelu, [], {"approximate": "tanh"}),
        (aten.gelu_, [], {"approximate": "tanh"}),
        (aten.leaky_relu, [0.2], {}),
        (aten.elu_, [0.5, 1, 2], {}),
        (aten.hardtanh, [-2, 3], {}),
        (aten.hardtanh_, [0.0, 6.0], {}),
    ],
    ids=str,
)
@given(x=tensors())
def test_settings_do_not_change_the_answer(packet: Any, args: list[Any], kwargs: dict[str, Any], x: Tensor) -> None:
    check(packet, ([x, *args], kwargs))


@pytest.mark.parametrize("packet", [packet for packet in ELEMENTWISE if "out" in packet.overloads()], ids=str)
def test_a_result_that_is_put_somewhere_is_left_to_the_kernel(packet: Any) -> None:
    x, out = dense([2, 3], torch.float32), dense([2, 3], torch.float32)
    assert outcome(packet, ([x], {"out": out})) is out
    assert SHORTCUTS[packet]([x], {"out": out}) is None


@st.composite
def operands(draw: st.DrawFn) -> list[Any]:
    """Two tensors that mostly fit together, each in its own layout, or a tensor and a number."""
    shape = draw(st.lists(small, min_size=1, max_size=5))
    dtype = draw(st.sampled_from([torch.float32, torch.float32, *DTYPES]))

    def operand(other: torch.dtype) -> Tensor:
        sizes = [draw(st.sampled_from([size, size, size, 1])) for size in shape]
        x: Tensor = draw(st.sampled_from(LAYOUTS))(sizes[draw(st.sampled_from([0, 0, 0, len(sizes) - 1])) :], other)
        return x

    first, kind = operand(dtype), draw(st.integers(0, 5))
    return (
        [first, draw(st.sampled_from([2, 2.0, True, -1]))]
        if kind == 0
        else [first, operand(dtype if kind > 1 else torch.float16)]
    )


@pytest.mark.parametrize("packet", OF_TWO, ids=str)
@given(args=operands())
def test_operators_of_two_operands_answer_as_their_kernels(packet: Any, args: list[Any]) -> None:
    check(packet, (args, {}))


@pytest.mark.parametrize("packet", OF_TWO, ids=str)
@pytest.mark.parametrize("other", [(2, 4, 3, 3), (4, 1, 1), (3,), None], ids=str)
def test_operators_of_two_operands_have_an_answer_for_activations(packet: Any, other: tuple[int, ...] | None) -> None:
    for layout in (dense, channels_last):
        x = layout((2, 4, 3, 3), torch.float32)
        assert check(packet, ([x, 2.0 if other is None else dense(other, torch.float32)], {})) is not None
    x = dense((1, 1, 5), torch.float32)
    assert check(packet, ([x, x], {})) is not None


def test_an_addition_with_a_factor_is_left_to_the_kernel() -> None:
    x = dense([2, 3], torch.float32)
    assert SHORTCUTS[aten.add]([x, x], {"alpha": 2}) is None


@given(tensors(), st.data())
def test_means_answer_as_their_kernel(x: Tensor, data: st.DataObject) -> None:
    dims = data.draw(st.lists(st.integers(-x.dim() - 1, x.dim()), max_size=x.dim(), unique=True))
    check(aten.mean, ([x, dims, *data.draw(st.sampled_from([[], [True], [False]]))], {}))


@given(tensors(), st.data())
def test_norms_answer_as_their_kernel(x: Tensor, data: st.DataObject) -> None:
    dims = data.draw(st.none() | st.lists(st.integers(-x.dim() - 1, x.dim()), max_size=x.dim(), unique=True))
    order = data.draw(st.sampled_from([2, 2.0, 1, float("inf")]))
    check(aten.linalg_vector_norm, ([x, order, dims, *data.draw(st.sampled_from([[], [True], [False]]))], {}))


@given(tensors(), st.data())
def test_rolling_answers_as_its_kernel(x: Tensor, data: st.DataObject) -> None:
    dims = data.draw(st.lists(st.integers(-x.dim() - 1, x.dim()), max_size=3))
    shifts = data.draw(st.lists(st.integers(-3, 3), min_size=max(len(dims) - 1, 0), max_size=len(dims)))
    check(aten.roll, ([x, data.draw(st.sampled_from([shifts, [1] * len(dims)])), dims], {}))


@pytest.mark.parametrize("packet", RESIZING, ids=str)
@given(data=st.data())
def test_resizing_answers_as_its_kernel(packet: Any, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(0, 4), min_size=3, max_size=4))
    x = data.draw(st.sampled_from(LAYOUTS))(shape, data.draw(st.sampled_from([torch.float32, torch.float32, *DTYPES])))
    size = data.draw(st.none() | st.lists(st.integers(0, 9), min_size=1, max_size=2))
    factors = data.draw(st.sampled_from([None, None, [2.0, 1.5]]))
    check(packet, ([x, size, data.draw(st.booleans()), factors], {}))


@pytest.mark.parametrize("layout", [dense, channels_last])
def test_resizing_rolling_and_norms_have_an_answer_for_activations(layout: Callable[..., Tensor]) -> None:
    x = dense([2, 4, 3, 3], torch.float32)
    for packet in RESIZING:
        answer = check(packet, ([layout([2, 4, 3, 3], torch.float32), [7, 5], False, None], {}))
        assert answer is not None
        assert answer.shape == (2, 4, 7, 5)
    assert check(aten.roll, ([x, [1, -1], [1, 2]], {})) is not None
    assert check(aten.linalg_vector_norm, ([x, 2.0, [-1], True], {})) is not None


@given(st.lists(small, min_size=1, max_size=4), st.data())
def test_joining_answers_as_its_kernel(shape: list[int], data: st.DataObject) -> None:
    dim, layout = data.draw(st.integers(-len(shape) - 1, len(shape))), st.sampled_from([dense, dense, dense, *LAYOUTS])
    shapes = data.draw(st.lists(st.sampled_from([shape, [*shape[:-1], shape[-1] + 1], [1, *shape]]), min_size=1, max_size=3))
    tensors = [
        data.draw(layout)(each, data.draw(st.sampled_from([torch.float32, torch.float32, torch.float16]))) for each in shapes
    ]
    check(aten.cat, ([tensors, dim], {}))


def test_means_and_joining_have_an_answer_for_activations() -> None:
    x = dense([2, 4, 3, 3], torch.float32)
    assert check(aten.mean, ([x, [2, 3], True], {})) is not None
    assert check(aten.cat, ([[x, x, x], 1], {})) is not None
    tokens = transposed([2, 9, 4], torch.float32)  # of a patch embedding, after a class token
    assert check(aten.cat, ([[dense([2, 1, 4], torch.float32), tokens], 1], {})) is not None


@st.composite
def convolutions(draw: st.DrawFn) -> list[Any]:
    """A convolution that mostly fits, in plain layout: of the others the meta kernel does not tell the truth."""
    groups, inner, out, dtype = draw(small), draw(small), draw(small), draw(st.sampled_from([torch.float32, *DTYPES]))
    channels = groups * inner + draw(st.sampled_from([0, 0, 0, 1]))
    x = dense([draw(small), channels, draw(st.integers(2, 9)), draw(st.integers(2, 9))], dtype)
    weight = dense(
        [groups * out, inner, draw(small), draw(st.integers(2, 3))], draw(st.sampled_from([dtype, dtype, torch.float32]))
    )
    bias = draw(st.sampled_from([None, dense([groups * out], dtype)]))
    pairs = [[draw(st.integers(low, 3)), draw(st.integers(low, 3))] for low in (1, 0, 1)]
    return [x, weight, bias, *pairs, groups]


@given(convolutions(), st.integers(2, 7))
def test_convolutions_answer_as_their_kernel(args: list[Any], given_arguments: int) -> None:
    if args[0].shape[1] > 1 and args[1].shape[1] > 1:  # else the layout has two names
        check(aten.conv2d, (args[:given_arguments], {}))


def test_convolutions_have_an_answer_for_plain_tensors() -> None:
    x, weight = dense([2, 4, 9, 7], torch.float32), dense([6, 2, 3, 3], torch.float32)
    answer = check(aten.conv2d, ([x, weight, None, [2, 1], [1, 0], [1, 2], 2], {}))
    assert answer is not None
    assert answer.shape == (2, 6, (9 + 2 - 2 - 1) // 2 + 1, 7 - 2 * 2 - 1 + 1)


@st.composite
def norms(draw: st.DrawFn) -> tuple[Any, Arguments]:
    """A call of a normalisation, its parameters present or not, and sometimes of another type than the input."""
    packet = draw(st.sampled_from(sorted(NORMS, key=str)))
    channels, dtype = draw(st.integers(1, 4)), draw(st.sampled_from(DTYPES))
    layout, other = draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from([dtype, dtype, *FLOATS]))
    if packet is aten.layer_norm:
        shape = [*draw(st.lists(small, max_size=3)), channels]
    else:
        shape = [draw(small), channels, *draw(st.lists(small, min_size=1, max_size=3))]

    def parameter() -> Tensor | None:
        return draw(st.sampled_from([dense([channels], other), None]))

    x = layout(shape, dtype)
    if packet is aten.layer_norm:
        return packet, ([x, [channels], parameter(), parameter(), 1e-5], {})
    if packet is aten.group_norm:
        groups = draw(st.sampled_from([n for n in range(1, channels + 1) if channels % n == 0]))
        return packet, ([x, groups, parameter(), parameter(), 1e-5], {})
    is_training = draw(st.booleans())
    statistic = parameter()  # mean and variance are there or not together
    return packet, ([x, parameter(), parameter(), statistic, statistic, is_training, 0.1, 1e-5, True], {})


@given(norms())
def test_normalisations_answer_as_their_kernels(call: tuple[Any, Arguments]) -> None:
    check(*call)


@pytest.mark.parametrize("dtype", FLOATS)
def test_normalisations_have_an_answer_for_plain_tensors(dtype: torch.dtype) -> None:
    x, c = dense([2, 4, 3, 3], dtype), dense([4], dtype)
    assert check(aten.group_norm, ([x, 2, c, c, 1e-5], {})) is not None
    assert check(aten.batch_norm, ([x, c, c, c, c, False, 0.1, 1e-5, True], {})) is not None
    assert check(aten.layer_norm, ([dense([2, 3, 4], dtype), [4], c, c, 1e-5], {})) is not None


@st.composite
def linears(draw: st.DrawFn) -> Arguments:
    inner, features, dtype = draw(st.integers(0, 4)), draw(small), draw(st.sampled_from(DTYPES))
    x_layout, weight_layout = draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from([dense, transposed, sliced]))
    x = x_layout([*draw(st.lists(small, max_size=3)), inner], dtype)
    weight = weight_layout(
        [features, draw(st.sampled_from([inner, inner, 3]))], draw(st.sampled_from([dtype, dtype, torch.float16]))
    )
    if draw(st.booleans()):
        weight = weight[0]
    bias = draw(st.sampled_from([None, dense([features], dtype)]))
    return [x, weight, bias], {}


@given(linears())
def test_linear_layers_answer_as_their_kernel(arguments: Arguments) -> None:
    check(aten.linear, arguments)


@pytest.mark.parametrize("leading", [[2], [2, 3], [2, 3, 4]])
def test_linear_layers_have_an_answer_for_plain_tensors(leading: list[int]) -> None:
    answer = check(aten.linear, ([dense([*leading, 5], torch.float32), dense([7, 5], torch.float32), None], {}))
    assert answer is not None
    assert answer.shape == (*leading, 7)


FLASH = 1
"""What `torch._fused_sdp_choice` says where the CPU's flash kernel takes a call."""


def heads_in_front(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """(N, heads, L, E) as every vision transformer makes it: split from a (N, L, 3, heads, E) product."""
    batch, heads, length, width = shape
    return torch.zeros(batch, length, 3, heads, width, dtype=dtype).permute(2, 0, 3, 1, 4)[0]


def tokens_in_front(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    batch, heads, length, width = shape
    return torch.zeros(batch, length, heads * width, dtype=dtype).view(batch, length, heads, width).transpose(1, 2)


def contiguous(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.zeros(tuple(shape), dtype=dtype)


def width_not_last(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return contiguous([*shape[:-2], shape[-1], shape[-2]], dtype).mT


@st.composite
def attentions(draw: st.DrawFn) -> Arguments:
    """A call with real tensors, mostly as the flash kernel takes it, one thing different in some."""
    batch, heads, queries, keys, width = (draw(small) for _ in range(5))
    value_width, key_batch = draw(st.sampled_from([width, width, width, width + 1])), draw(st.sampled_from([batch, batch, 1]))
    key_heads, dtype = draw(st.sampled_from([heads, heads, heads, 1])), draw(st.sampled_from([torch.float32, torch.bfloat16]))
    sharing = draw(st.sampled_from([1, 1, 2]))
    layout = st.sampled_from([heads_in_front, heads_in_front, tokens_in_front, contiguous, width_not_last])
    q = draw(layout)([batch, heads * sharing, queries, width], dtype)
    k = draw(layout)([key_batch, key_heads, keys, width], dtype)
    v = draw(layout)([key_batch, key_heads, keys, value_width], dtype)
    if draw(st.integers(0, 5)) == 0:
        q, k, v = q[0], k[0], v[0]
    mask_shape = draw(st.sampled_from([None, None, (queries, keys), (batch, 1, queries, keys), (1, 1, 1, keys)]))
    mask = None if mask_shape is None else torch.zeros(mask_shape, dtype=draw(st.sampled_from([torch.bool, dtype])))
    return [q, k, v], {"attn_mask": mask, "is_causal": mask is None and draw(st.booleans()), "enable_gqa": sharing > 1}


def on_meta(tensor: Any) -> Any:
    if not isinstance(tensor, Tensor):
        return tensor
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


@given(attentions())
def test_attention_has_the_layout_that_the_cpu_gives_it(arguments: Arguments) -> None:
    args, kwargs = arguments
    with torch.inference_mode():
        answer = SHORTCUTS[aten.scaled_dot_product_attention](
            [on_meta(a) for a in args], {name: on_meta(value) for name, value in kwargs.items()}
        )
    real = outcome(aten.scaled_dot_product_attention, arguments)
    if isinstance(real, Exception):
        return
    if answer is not None:
        assert (answer.shape, strides(answer), answer.dtype) == (real.shape, strides(real), real.dtype)
    elif torch._fused_sdp_choice(*args, **kwargs) == FLASH:
        pytest.fail("the CPU's flash kernel takes this call, and the shortcut does not know")


@pytest.mark.parametrize("layout", [heads_in_front, tokens_in_front, contiguous])
def test_attention_of_vision_transformers_has_an_answer(layout: Callable[..., Tensor]) -> None:
    q, k, v = (layout([2, 3, 4, 8], torch.float32) for _ in range(3))
    assert torch._fused_sdp_choice(q, k, v) == FLASH
    answer = SHORTCUTS[aten.scaled_dot_product_attention]([on_meta(q), on_meta(k), on_meta(v)], {})
    assert answer is not None
    assert strides(answer) == strides(torch.nn.functional.scaled_dot_product_attention(q, k, v))
