"""Opening what a user names: every path gives its content or a sentence, and none waits without end."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from zoo.documents import files
from zoo.documents.files import DocumentKind, read_bytes, read_text
from zoo.errors import ConfigError

KIND = DocumentKind("list of names", ConfigError, most_bytes=1000, missing="Make one with: touch {path}")


def refusal(path: Path | str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_text(path, KIND)
    return str(caught.value)


def test_text_comes_without_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfna\xc3\xafve\r\n")
    assert read_text(path, KIND) == "naïve\r\n"


def test_a_missing_file_leads_to_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert refusal(path) == f"There is no file '{path}'. Make one with: touch {path}"


def test_a_folder_and_a_device_are_no_files(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"'{tmp_path}' is a folder, not a list of names."
    assert refusal("/dev/zero") == "'/dev/zero' is a device, not a list of names."


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "loop", "file/inside", "/proc/self/mem"])
def test_what_the_system_refuses_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / name
    message = refusal(path)
    assert message.endswith(" Name another list of names.")
    assert " cannot be read: " in message
    assert "\0" not in message


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 1000)
    assert len(read_bytes(path, KIND)) == 1000
    with path.open("wb") as file:
        file.truncate(2**40)  # a terabyte, of which nothing is stored
    assert refusal(path) == f"'{path}' is too large: a list of names has at most 0.001 MB."


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"a\n\xff\xfea", "not a text file in UTF-8: line 2 has other bytes"), (b"a\nb\nc\0", "not a text file: line 3 has a NUL")],
)
def test_other_encodings_are_named_with_their_line(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert why in refusal(path)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb") as pipe:
            pipe.write(b"one\n")
            pipe.flush()
            time.sleep(0.1)
            pipe.write(b"two\n")

    writer = threading.Thread(target=write)
    writer.start()
    assert read_text(path, KIND) == "one\ntwo\n"
    writer.join()


def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SILENCE_S", 0.05)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "nothing came out of it for 0.05 s" in refusal(path)
