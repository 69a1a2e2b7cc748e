"""The page of step 2, which asks for each picture and waits for its answer."""

import hashlib

import pytest

from tests.app.page_contract import KEY, PageContract
from tests.app.serving import serving
from tests.app.step2.conftest import MODULE


@pytest.fixture(scope="module")
def guarded_service(tmp_path_factory):
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    with serving(MODULE, tmp_path_factory.mktemp("guarded"), API_KEYS_SHA256=digest) as served:
        yield served


class TestPage(PageContract):
    """One web process with the settings that a laptop gets."""
