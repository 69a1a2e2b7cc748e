"""gunicorn's thread worker, hardened against clients that take their time: no one of them keeps the others waiting."""

import selectors
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

_CLOSING_THREADS = 16
_SILENCE_S = 5.0
_PIECE_BYTES = 64 * 1024


class DeadlineWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Gives a thread only to a client that has begun to speak, and only for as long as a request may take.

    gunicorn itself lets a thread wait for the first byte, for the rest of a request and for a client that does not
    read, and lets its main loop wait for one that does not close.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own signature
        super().__init__(*args, **kwargs)
        self._begun: dict[TConn, float] = {}
        self._closing = ThreadPoolExecutor(_CLOSING_THREADS)

    def enqueue_req(self, conn: TConn) -> None:
        """Answer a client that has something to say; let a new one wait in the poller until then."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        conn.timeout = monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: TConn) -> object:
        """Answer one request; the clock runs from its first byte."""
        self._begun[conn] = monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._begun[conn]

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        """Do gunicorn's own, but close on a thread: it may take a while until the client closes too."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        self.nr_conns -= 1
        with suppress(OSError):  # the client has gone
            conn.sock.shutdown(socket.SHUT_WR)
        self._closing.submit(_close, conn.sock, self.app.service.upload_timeout_s)

    def murder_pending(self) -> None:
        """Do gunicorn's own round of overdue connections, about once a second, and ours."""
        super().murder_pending()
        config = self.app.service
        answered_by_s = config.upload_timeout_s + config.answer_timeout_s + config.send_timeout_s
        for conn, begun in list(self._begun.items()):
            age_s = monotonic() - begun
            with suppress(OSError):  # it has just been closed
                if age_s > answered_by_s:
                    conn.sock.shutdown(socket.SHUT_RDWR)
                elif age_s > config.upload_timeout_s:
                    conn.sock.shutdown(socket.SHUT_RD)  # the app sees the end, and can still say why


def _close(sock: socket.socket, longest_s: float) -> None:
    """Close when the client does, after some seconds of silence, or after the longest time in any case.

    What a refused client still sends is read and thrown away: closed on unread bytes, Linux tells a proxy or a browser
    that the connection is broken, and they throw away the answer. gunicorn alone stops after 64 kB.
    """
    until = monotonic() + longest_s
    with sock, suppress(OSError):  # silence is one too
        sock.settimeout(_SILENCE_S)
        while sock.recv(_PIECE_BYTES) and monotonic() < until:
            pass
