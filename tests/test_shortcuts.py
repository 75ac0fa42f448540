"""Every shortcut against the kernel it stands for: shape, layout, type and identity of the result, or no answer at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zoo.counting.shortcuts import SHORTCUTS

aten = torch.ops.aten
FLOATS = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
DTYPES = [*FLOATS, torch.int64, torch.uint8, torch.bool]
small = st.integers(1, 4)
Arguments = tuple[list[Any], dict[str, Any]]

NORMS = {aten.layer_norm, aten.group_norm, aten.batch_norm}
ELEMENTWISE = sorted(
    (packet for packet in SHORTCUTS if packet not in {*NORMS, aten.linear, aten.conv2d, aten.scaled_dot_product_attention}),
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
    except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError) as error:
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
    tested = {*ELEMENTWISE, *NORMS, aten.linear, aten.conv2d, aten.scaled_dot_product_attention}
    assert tested == set(SHORTCUTS)
    assert len(ELEMENTWISE) == len(SHORTCUTS) - 6


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
