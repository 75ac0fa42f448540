"""What of an address may be shown, and what opens it."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from zoo.addresses import Address, redacted

HIDDEN = "abc/DEF+ghi/SECRETVALUE"


def test_credentials_of_an_s3_address_become_options_and_are_no_part_of_its_text() -> None:
    address = Address.of(f"s3://AKIAKEY:{HIDDEN}@bucket/cache", {"endpoint_url": "http://localhost:9000"})
    assert address == "s3://bucket/cache"
    assert address.options == {"endpoint_url": "http://localhost:9000", "key": "AKIAKEY", "secret": HIDDEN}
    assert f"{address} {address!r} {json.dumps(address)}".count("SECRETVALUE") == 0


def test_other_file_systems_say_username_and_password_and_percent_signs_are_read() -> None:
    address = Address.of("sftp://me:p%40ss%2Fword@host:22/cache")
    assert address == "sftp://host:22/cache"
    assert address.options == {"username": "me", "password": "p@ss/word"}


@pytest.mark.parametrize(
    "text",
    [
        "cache/",
        "/data/me:you@here/cache",
        "s3://bucket/path@v1/cache",
        "sftp://host:22/cache@v1",
        "sftp://me@host/cache",
        "abfs://container@account.dfs.core.windows.net/cache",
        "memory://cache",
    ],
)
def test_addresses_without_credentials_stay_as_they_are(text: str) -> None:
    assert Address.of(text) == text
    assert Address.of(text).options == {}
    assert redacted(f"nothing at '{text}'.") == f"nothing at '{text}'."


def test_options_survive_copies_and_further_ones_are_added() -> None:
    address = Address.of("s3://k:secret-value@bucket")
    for other in (copy.copy(address), copy.deepcopy(address), pickle.loads(pickle.dumps(address)), Address.of(address)):
        assert other == "s3://bucket"
        assert other.options == {"key": "k", "secret": "secret-value"}
    assert Address.of(address, {"anon": False}).options == {"key": "k", "secret": "secret-value", "anon": False}


def test_errors_are_scrubbed_of_every_secret_option_and_keep_the_others() -> None:
    options = {"secret": HIDDEN, "endpoint_url": "http://localhost:9000", "client_kwargs": {"aws_session_token": "TOKEN123"}}
    address = Address.of("s3://bucket", options | {"key": "ab"})
    said = address.scrubbed(f"a bad {HIDDEN} with TOKEN123 at http://localhost:9000")
    assert said == "a bad *** with *** at http://localhost:9000"


def test_texts_are_redacted_wherever_an_address_stands_in_them() -> None:
    text = "cannot fetch https://me:hunter2@host/t.csv?token=abc&x=1 nor s3://K:a/b+c@bucket/x"
    assert redacted(text) == "cannot fetch https://***@host/t.csv?*** nor s3://***@bucket/x"
