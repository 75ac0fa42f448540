"""How models of transformers run on the meta device, for the zoos that are built from it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from unittest import mock


@contextlib.contextmanager
def independent_of_values() -> Iterator[None]:
    """Makes transformers ask for no value of a tensor, as when it traces a model. Not thread-safe.

    It keeps a mask that masks nothing, which only its values tell, and leaves out checks. The matrix products are the same.
    """
    with (
        mock.patch("transformers.masking_utils.is_tracing", return_value=True),
        mock.patch.dict(os.environ, {"TRANSFORMERS_DISABLE_TORCH_CHECK": "1"}),
    ):
        yield
