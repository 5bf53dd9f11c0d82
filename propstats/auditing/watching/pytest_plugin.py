"""The pytest plugin: a fixture that audits a network. It loads nothing until a test asks for it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from propstats.auditing.records import AuditReport


@pytest.fixture(scope="session")
def propstats_audit() -> "Callable[..., AuditReport]":
    """Audit a network: `propstats_audit(model, data, **options)` is `propstats.audit`."""
    from propstats.auditing.audit import audit

    return audit
