"""A service in a mood: it answers as a test tells it, and remembers what it was asked."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.app.http_contract import TRACE_ID

ANSWER = (200, {}, b'{"predictions": []}')
PROBLEM = {"code": "not_ready", "detail": "It is late.", "remedy": "Come again.", "trace_id": TRACE_ID}


def problem(status: int, **headers: str) -> tuple[int, dict[str, str], bytes]:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, headers, json.dumps(PROBLEM | {"status": status}).encode()


class Moody(ThreadingHTTPServer):
    """Answers in turn what it was told, and the last of it ever after; None breaks the connection."""

    def __init__(self, *replies: tuple[int, dict[str, str], bytes] | None) -> None:
        super().__init__(("127.0.0.1", 0), MoodyHandler)
        self.replies = list(replies)
        self.asked: list[tuple[float, str, dict[str, str], bytes]] = []
        self.address = f"http://127.0.0.1:{self.server_port}"


class MoodyHandler(BaseHTTPRequestHandler):
    server: Moody

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append((time.monotonic(), self.path, dict(self.headers), body))
        reply = self.server.replies.pop(0) if len(self.server.replies) > 1 else self.server.replies[0]
        if reply is None:
            return
        status, headers, content = reply
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
