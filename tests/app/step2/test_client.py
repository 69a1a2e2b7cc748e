"""The client for programs of step 2."""

from step2_webapp import client
from tests.app.client_contract import ClientContract


class TestClient(ClientContract):
    """Asks for a picture and waits."""

    package = client
