from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import InputError
from zoo.inputs import (
    TensorInput,
    format_input,
    format_tensors,
    parse_input,
    parse_tensors,
    resize_input,
    with_channels,
)

shapes = st.lists(st.integers(1, 10_000), min_size=1, max_size=5).map(tuple)


@given(shapes)
def test_an_input_survives_being_written_and_read(shape: tuple[int, ...]) -> None:
    assert parse_input(format_input(shape)) == shape


@pytest.mark.parametrize("text", ["", "x", "3x", "3x-1x2", "3x0x4", "3 x 224", "224px", "1e3", "²"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"is not an input shape\. Write whole numbers joined by x"):
        parse_input(text)


@pytest.mark.parametrize(
    ("size", "native", "expected"),
    [
        (160, "3x224x224", "3x160x160"),
        ("384x512", "3x224x224", "3x384x512"),
        ("1x28x28", "3x224x224", "1x28x28"),
        (112, "3x16x224x224", "3x16x112x112"),
        ("128x171", "3x16x112x112", "3x16x128x171"),
        ("784", "784", "784"),
    ],
)
def test_a_size_changes_the_image_and_a_shape_replaces_the_input(size: str | int, native: str, expected: str) -> None:
    assert resize_input(size, native) == expected


@pytest.mark.parametrize(("size", "native"), [("3x224x224", "3x16x112x112"), ("224", "28x28"), ("1x2x3x4", "3x224x224")])
def test_a_size_that_does_not_fit_is_refused(size: str, native: str) -> None:
    with pytest.raises(InputError, match=f"Input '{size}' does not fit a model that takes {native}"):
        resize_input(size, native)


@pytest.mark.parametrize(
    ("text", "tensors"),
    [
        ("3x224x224", [TensorInput((3, 224, 224))]),
        (" 3X8x8 ; 77 : int64 ", [TensorInput((3, 8, 8)), TensorInput((77,), "int64")]),
        ("image=3x8x8;Tokens=77:int64", [TensorInput((3, 8, 8), name="image"), TensorInput((77,), "int64", "Tokens")]),
        ("3x8x8;t=scalar:float16", [TensorInput((3, 8, 8)), TensorInput((), "float16", "t")]),
        ("8:float32", [TensorInput((8,))]),
    ],
)
def test_an_input_may_be_several_tensors_and_has_one_spelling(text: str, tensors: list[TensorInput]) -> None:
    assert parse_tensors(text) == tuple(tensors)
    assert parse_tensors(format_tensors(tensors)) == tuple(tensors)


def test_the_one_spelling_leaves_out_what_is_usual() -> None:
    assert format_tensors(parse_tensors(" x = 3X8x8 : float32 ;y=scalar:bool")) == "x=3x8x8;y=scalar:bool"


@pytest.mark.parametrize(
    "text", ["", ";", "3x8x8;", "=3", "a b=3", "3:int", "3:", "a=3;a=4", "a=3;4", "1a=3", "scalarx3", "3;:int64"]
)
def test_what_is_no_list_of_tensors_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_tensors(text)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("96", "77:int64;image=3x96x96"),
        ("96x128", "77:int64;image=3x96x128"),
        ("1x2x3", "77:int64;image=1x2x3"),
        ("3x8x8;5:int64", "3x8x8;5:int64"),
    ],
)
def test_a_size_changes_the_image_among_several_tensors(size: str, expected: str) -> None:
    assert resize_input(size, "77:int64;image=3x224x224") == expected


def test_channels_are_the_first_dimension_of_the_image() -> None:
    assert with_channels("3x224x224", 1) == "1x224x224"
    assert with_channels("3x16x112x112", 4) == "4x16x112x112"
    assert with_channels("77:int64;image=3x8x8", 1) == "77:int64;image=1x8x8"
