"""Where the tests find the repository, their helpers, their fixtures and the published tables beside the checkout."""

from __future__ import annotations

from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
TESTS = SUPPORT.parent
FIXTURES = TESTS / "fixtures"
REPOSITORY = TESTS.parent
SHARED = REPOSITORY.parent / "shared"
