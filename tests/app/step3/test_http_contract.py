import pytest

from tests.app.http_contract import HttpContract
from tests.app.step3.system import running


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running(tmp_path_factory.mktemp("tensorflow"), RUNTIME="tensorflow") as system:
        yield system.address


class TestHttpContract(HttpContract):
    """Step 2's suite, on the system whose worker runs TensorFlow: the same answers, digit for digit."""
