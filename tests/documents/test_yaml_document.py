"""YAML as plain data, within limits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from zoo.documents.files import DocumentKind
from zoo.documents.yaml_document import MOST_LEVELS, MOST_VALUES, parse_yaml, read_yaml
from zoo.errors import DeviceError

KIND = DocumentKind("list", DeviceError, 2_000_000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 2.5, true, ~]", {"a": 1, "b": ["x", 2.5, True, None]}),
        ("a: 2020-13-45", {"a": "2020-13-45"}),  # YAML's own timestamps are text
        ("a: !!str 5\nb: !!int '7'", {"a": "5", "b": 7}),
        ("a: &x {k: [1]}\nb: *x\nc: {<<: *x, l: 2}", {"a": {"k": [1]}, "b": {"k": [1]}, "c": {"k": [1], "l": 2}}),
        ("", None),
    ],
)
def test_it_is_read_as_plain_data(text: str, value: Any) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a:\n  b: !!int abc", "line 2, column 6: 'abc' cannot be read as int."),
        ("a: !!float abc", "line 1, column 4: 'abc' cannot be read as float."),
        ("a: !!bool abc", "line 1, column 4: 'abc' cannot be read as bool."),
        ("a: !!timestamp abc", "line 1, column 4: the tag !!timestamp is not read."),
        ("a: !!python/object:os.system x", "the tag !!python/object:os.system is not read."),
        ("a: " + "9" * 5_000, " […] "),
        ("a: 9223372036854775808", "line 1, column 4: '9223372036854775808' cannot be read as int."),
        ("? [a]\n: b", "line 1, column 3: found unhashable key."),
        ("a: &a [*a]", "line 1, column 8: '*a' stands inside the value that it names."),
        ("a: *b", "found undefined alias"),
        ("a: [", "did not find expected node content"),
        ("a: \x07", "control characters are not allowed"),
        ("a: 1\n---\nb: 2", "another document"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse_yaml(text)
    assert why in str(caught.value)


def bomb(lists: int) -> str:
    """Each list holds nine times the one before it."""
    lines = ["l0: &l0 [" + ", ".join("a" * 9) + "]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, lists)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (bomb(9), f"more than {MOST_VALUES:,} values, aliases expanded"),
        ("[" + "1," * 1_000_000 + "]", f"more than {MOST_VALUES:,} values"),
        ("[" * 500, f"more than {MOST_LEVELS} levels of nesting"),
        ("{a: " * 1_000 + "}" * 1_000, f"more than {MOST_LEVELS} levels of nesting"),
        ("".join(f"{' ' * n}a:\n" for n in range(500)), f"more than {MOST_LEVELS} levels of nesting"),
        ("a: &a {k: 1}\n" + "\n".join(f"b{n}: {{<<: [{', '.join(['*a'] * 100)}]}}" for n in range(400)), "aliases expanded"),
    ],
)
def test_size_depth_and_expansion_are_limited(text: str, why: str) -> None:
    before = time.process_time()
    with pytest.raises(ValueError, match=why):
        parse_yaml(text)
    assert time.process_time() - before < 2


def test_documents_within_the_limits_are_read() -> None:
    assert len(parse_yaml("[" + "1," * (MOST_VALUES - 1) + "]")) == MOST_VALUES - 1
    inner = parse_yaml("[" * MOST_LEVELS + "]" * MOST_LEVELS)
    for _ in range(MOST_LEVELS - 1):
        (inner,) = inner
    assert inner == []
    assert len(parse_yaml(bomb(4))["l3"][0][0][0]) == 9  # 9 + 81 + 729 + 6,561 values


def test_lines_are_known_and_repeated_keys_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a:\n  - b\n  - c: 1\nd: 2\n")
    document = read_yaml(path, KIND)
    places: list[tuple[str | int, ...]] = [("a",), ("a", 0), ("a", 1, "c"), ("a", 1, "nothing"), ("d",), ("e",)]
    assert [document.line(place) for place in places] == [1, 2, 3, 3, 4, 1]
    path.write_text("a: {b: 1,\n b: 2}\n")
    with pytest.raises(DeviceError, match=r"a\.yaml, line 2: a\.b is given twice, first on line 1\."):
        read_yaml(path, KIND)
