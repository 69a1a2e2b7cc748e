"""The connection to Redis that everything but Celery's consumer uses."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_CONNECT_TIMEOUT_S = 1.0
_SOCKET_TIMEOUT_S = 5.0  # above the time for which anybody blocks, see `store.py`


def connect(redis_url: str, *, max_connections: int = 16) -> Redis:
    """Return a client that fails within seconds where Redis is gone; it connects when it is first used."""
    only_tcp = {} if redis_url.startswith("unix://") else {"socket_keepalive": True}
    return Redis.from_url(
        redis_url,
        max_connections=max_connections,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),  # one, for a connection that Redis has closed in the meantime
        retry_on_error=[ConnectionError],
        **only_tcp,
    )
