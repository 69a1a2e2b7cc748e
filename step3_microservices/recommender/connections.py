"""gunicorn's thread worker, for a service that is asked over a few connections which are kept for long."""

import socket
from time import sleep

from step3_microservices.gateway.connections import DeadlineWorker

_PAUSE_S = 50e-6  # longer than another process takes to wake up and accept
_LONGEST_PAUSE_S = 1e-3


class SharingWorker(DeadlineWorker):
    """Lets processes that have fewer connections take a new one first.

    All wait at the same socket, and whoever is awake already accepts; so it happens that one process has all the
    connections of a gateway, and with them all the work, while the other has none.
    """

    def accept(self, listener: socket.socket) -> None:
        """Give the others a moment, in proportion to what this process has; then accept what is still there."""
        if self.cfg.workers > 1:
            sleep(min(self.nr_conns * _PAUSE_S, _LONGEST_PAUSE_S))
        super().accept(listener)
