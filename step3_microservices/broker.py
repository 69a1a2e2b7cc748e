"""The Celery app that gateway and worker share: its queues, and what happens to a task whose worker dies."""

import socket

from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from step3_microservices.contract import INTERACTIVE, JOBS, QUEUE_TTL_S

# The exchange that leads straight to the queue of that name: nothing to keep, and nothing to look up for each task.
_DIRECT = ""
_TRANSPORT = "step3_microservices.redis_transport:Transport"
_TRANSPORT_ALIAS = "step3redis"


def create_celery(redis_url: str, *, visibility_timeout_s: float) -> Celery:
    """Return the app. A task that is not acknowledged within the visibility timeout is delivered again.

    Tasks are acknowledged when they are done, one at a time is fetched, and nothing is told or stored by Celery itself:
    answers have a place and a wake-up of their own (see `store.py`).
    """
    app = Celery("classifier", broker=_address(redis_url), set_as_current=False)
    app.conf.update(
        task_queues=[_queue(name) for name in (INTERACTIVE, JOBS)],
        task_default_queue=INTERACTIVE,
        task_default_exchange="",
        task_default_routing_key=INTERACTIVE,
        broker_transport=_TRANSPORT,
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "priority_steps": [0],
            "queue_order_strategy": "priority",
            "visibility_timeout": visibility_timeout_s,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": 1,
            "socket_keepalive": True,
            "socket_keepalive_options": _noticing_the_end(),
        },
    )
    return app


def _noticing_the_end() -> dict[int, int]:
    """Return TCP's settings by which a connection whose other end has vanished is given up within some ten seconds.

    A worker waits for tasks without a time-out of its own. Where a machine or a container is lost nobody closes its
    connections, and by default the kernel believes in them for a quarter of an hour, or for two hours where all was
    quiet. These are Linux's names; elsewhere its own defaults stay.
    """
    wanted = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}  # seconds, but ms
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


def _address(redis_url: str) -> str:
    """Return the address as kombu writes it: for a Unix socket with words of its own, transport included."""
    if not redis_url.startswith("unix://"):
        return redis_url
    TRANSPORT_ALIASES[_TRANSPORT_ALIAS] = _TRANSPORT
    return f"{_TRANSPORT_ALIAS}+socket://{redis_url.removeprefix('unix://')}".replace("?db=", "?virtual_host=")


def _queue(name: str) -> Queue:
    exchange = Exchange(_DIRECT)  # type: ignore[no-untyped-call]
    return Queue(name, exchange, routing_key=name, expires=QUEUE_TTL_S)  # type: ignore[no-untyped-call]
