"""The contract of every step that answers over HTTP, kept by this one."""

import pytest

from tests.app.http_contract import HttpContract


@pytest.fixture
def address(service):
    return service.address


class TestHttpContract(HttpContract):
    """One web process with the settings that a laptop gets."""
