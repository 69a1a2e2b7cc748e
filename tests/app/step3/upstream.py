"""A recommender of a few lines, on a real port: it answers as a test tells it, and remembers what it was asked."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.small_servers import answering

ITEMS = [
    ("app-1", "Night Sky Atlas", "Education", "🔭"),
    ("app-2", "Tram & Bus", "Travel", "🚋"),
    ("app-3", "Sourdough Diary", "Food", "🍞"),
    ("app-4", "Chess Endgames", "Games", "♟️"),
    ("app-5", "Pocket Ledger", "Finance", "/static/icon.svg"),
    ("app-6", "Birdsong by Ear: what sings in your garden and when", "Nature", "🐦"),
    ("app-7", "Tide Tables", "Weather", "🌊"),
    ("app-8", "Metronome", "Music", "🥁"),
]
HELD_FOR_S = 60
SIZES = {"300x250": 6, "728x90": 4, "320x50": 1}


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def told_already() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Mood:
    """How it answers."""

    items: list[tuple[str, str, str, str]] = field(default_factory=lambda: [*ITEMS])
    says: object = None  # instead of an answer that makes sense
    delay_s: float = 0.0
    may_answer: threading.Event = field(default_factory=told_already)  # a test may clear it, and set it again
    is_broken: bool = False
    hangs_up: bool = False  # after each answer, without having said so
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def questions(self) -> list[dict[str, str]]:
        return [asked.query for asked in self.asked if asked.path == "/v1/recommendations"]

    def events(self) -> list[dict[str, Any]]:
        bodies = [json.loads(asked.body) for asked in self.asked if asked.path == "/v1/events"]
        return [event for body in bodies for event in body["events"]]

    def named(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events() if one["event"] == event]


class Upstream(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.mood = Mood()
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that did not wait."""


class Handler(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"  # keeps connections

    def setup(self) -> None:
        super().setup()
        self.server.mood.connections += 1

    def do_GET(self) -> None:
        asked = self.remember()
        if asked.path == "/v1/recommendations":
            self.reply(
                200,
                json.dumps(self.server.mood.says or recommended(self.server.mood, asked.query)).encode(),
                "application/json",
            )
        elif asked.path in {"/analytics", "/v1/analytics"}:
            policy = {"Content-Security-Policy": "default-src 'self'"}
            self.reply(200, b"<h1>Clicks</h1>", "text/html; charset=utf-8", **policy)
        else:
            self.reply(404, b"{}", "application/problem+json")

    def do_POST(self) -> None:
        asked = self.remember()
        self.reply(202, json.dumps({"accepted": len(json.loads(asked.body)["events"])}).encode(), "application/json")

    def remember(self) -> Asked:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        asked = Asked(self.command, parts.path, query, {k.lower(): v for k, v in self.headers.items()}, body)
        self.server.mood.asked.append(asked)
        time.sleep(self.server.mood.delay_s)
        self.server.mood.may_answer.wait(HELD_FOR_S)
        return asked

    def reply(self, status: int, body: bytes, media_type: str, **headers: str) -> None:
        if self.server.mood.is_broken:
            self.close_connection = True
            return
        headers |= {"Content-Type": media_type, "Content-Length": str(len(body)), "Connection": "keep-alive, X-Hop"}
        self.send_response(status)
        for name, value in (headers | {"X-Hop": "one", "X-Trace-Id": "theirs", "X-Passed-On": "yes"}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.server.mood.hangs_up

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def recommended(mood: Mood, query: dict[str, str]) -> dict[str, Any]:
    unwanted = query.get("installed", "").split(",")
    wanted = [item for item in mood.items if item[0] not in unwanted][: int(query.get("n", 6))]
    items = [
        {"item_id": id_, "title": title, "category": category, "icon": icon, "position": n, "reason": "collaborative"}
        for n, (id_, title, category, icon) in enumerate(wanted, 1)
    ]
    dealt = {"arm": "collaborative", "experiment": "e1", "control_share": 0.25}
    fixed = {"model_version": "2026-11-27-0a1b2c3d", "model_age_s": 60, "list_id": "l1"}
    return {"slot": query["slot"], "items": items, **dealt, **fixed}


@contextmanager
def upstream(port: int = 0) -> Iterator[Upstream]:
    with answering(Upstream(port)) as server:
        yield server
