"""Runs models of transformers on the meta device; for all zoos with such models."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from unittest import mock


@contextlib.contextmanager
def independent_of_values() -> Iterator[None]:
    """Makes transformers read no value of a tensor, as when it traces a model. Not thread-safe.

    Checks are skipped, and masks are kept even if their values would show that they mask nothing. The matrix products are the same.
    """
    with (
        mock.patch("transformers.masking_utils.is_tracing", return_value=True),
        mock.patch.dict(os.environ, {"TRANSFORMERS_DISABLE_TORCH_CHECK": "1"}),
    ):
        yield
