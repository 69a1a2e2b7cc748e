"""Figures of a process that serves nothing else: at /metrics, on a port of its own."""

from errno import EADDRINUSE

from prometheus_client import CollectorRegistry, start_http_server

_PORTS_TRIED = 64


def serve_figures(registry: CollectorRegistry, port: int) -> None:
    """Serve them from a thread, on the first free one of the ports from that one on.

    Processes of one kind have the same settings, and each has to be asked for itself.
    """
    for place in range(_PORTS_TRIED):
        try:
            start_http_server(port + place, registry=registry)
        except OSError as error:
            if error.errno != EADDRINUSE or place == _PORTS_TRIED - 1:
                raise
        else:
            return
