"""Small HTTP servers of the tests' own, on a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from typing import TypeVar

AnyServer = TypeVar("AnyServer", bound=HTTPServer)


@contextmanager
def answering(server: AnyServer) -> Iterator[AnyServer]:
    """Have it answer as long as the block lasts; its thread ends also where the block fails."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
