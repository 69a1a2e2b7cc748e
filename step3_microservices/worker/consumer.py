"""Celery's consumer of tasks, but for how often it asks for a Redis that is away."""

from functools import partial

import celery.worker.consumer
from kombu.connection import Connection

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 2.0


class Consumer(celery.worker.consumer.Consumer):  # type: ignore[misc]  # Celery brings no types
    """Asks again within two seconds, as long as it takes.

    Celery waits two seconds longer each time, up to half a minute, and has no setting for it: after an outage of some
    minutes Redis would be back, and its workers not.
    """

    def ensure_connected(self, conn: Connection) -> Connection:
        """Return the connection once Redis has answered."""
        pauses = {"interval_start": _FIRST_PAUSE_S, "interval_step": _FIRST_PAUSE_S, "interval_max": _LONGEST_PAUSE_S}
        conn.ensure_connection = partial(conn.ensure_connection, **pauses)  # type: ignore[method-assign]
        connected: Connection = super().ensure_connected(conn)
        return connected
