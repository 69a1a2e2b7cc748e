"""All that a deployment meets: a cluster behind an API, the site that it serves, and a Prometheus that watches it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.manifests import NAMESPACE, pod_of
from step5_orchestration.deploy.gke.workplace import Cluster as Target
from tests.app.step5.kubernetes_api import Cluster, Key, Object, Server
from tests.small_servers import answering

PARTS = ("frontend", "gateway", "worker", "recommender", "trainer")
REGISTRY = "us-central1-docker.pkg.dev/somebody/classifier"


def image(name: str, digit: str) -> str:
    """A container image of the push whose digests are all this hexadecimal digit."""
    return f"{REGISTRY}/{name}@sha256:{64 * digit}"


@dataclass
class FakeClock:
    """Lets time pass without waiting, and does what is due meanwhile."""

    time: datetime = datetime(2026, 11, 27, tzinfo=UTC)
    meanwhile: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.meanwhile()


@dataclass
class Told:
    """Progress that is kept."""

    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def waiting(self, text: str) -> None:
        """Show nothing."""


@dataclass
class World:
    """One cluster and what is around it."""

    server: Server
    folder: Path
    site_at: str = ""
    prometheus: str = ""
    figures: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # by track: requests, errors, p99 in s
    applied: dict[Key, Object] = field(default_factory=dict)  # what is there after a first deployment
    when_asked: Callable[[], object] = lambda: None  # done before the site answers
    clock: FakeClock = field(default_factory=FakeClock)
    told: Told = field(default_factory=Told)

    @property
    def cluster(self) -> Cluster:
        return self.server.cluster

    def begin(self, objects: dict[Key, Object]) -> None:
        """Begin anew, with these objects in the cluster."""
        self.server.cluster = Cluster(objects=deepcopy(objects), load_balancer=self.site_at)
        self.figures = {"stable": (1000, 1, 0.2), "canary": (200, 0, 0.2)}
        self.clock, self.told = FakeClock(), Told()
        self.when_asked = lambda: None

    def pushed(self, digit: str) -> Path:
        """What a push has written."""
        path = self.folder / f"images-{digit}.json"
        path.write_text(json.dumps({"revision": 12 * digit, "images": {name: image(name, digit) for name in PARTS}}))
        return path

    @property
    def place(self) -> Path:
        path = self.folder / "place.env"
        path.write_text("PROJECT=somebody\nBUCKET=somebodys-lists\n")
        return path

    @property
    def target(self) -> Target:
        return Target(Kubectl(NAMESPACE), self.told, self.clock)

    def named(self, plural: str, name: str) -> Object:
        return self.cluster.objects[plural, NAMESPACE, name]

    def running(self, name: str, plural: str = "deployments") -> str:
        """The container image that it runs."""
        return str(pod_of(self.named(plural, name))["containers"][0]["image"])

    @property
    def weights(self) -> dict[str, int]:
        backends = self.named("httproutes", "classifier")["spec"]["rules"][0]["backendRefs"]
        return {backend["name"]: backend.get("weight", 1) for backend in backends}

    def names(self, plural: str) -> list[str]:
        return [name for kind, _, name in self.cluster.objects if kind == plural]

    def site(self, request: BaseHTTPRequestHandler) -> Object:
        """The deployed service; one container image of it sees toasters in cats."""
        self.when_asked()
        if request.path == "/readyz":
            return {"status": "ready"}
        label = "toaster" if self.running("gateway") == image("gateway", "e") else "tabby"
        best = {"class_index": 281, "wnid": "n02123045", "label": label, "probability": 0.9}
        return {"predictions": [best], "model_version": "m1"}

    def answered_by_prometheus(self, request: BaseHTTPRequestHandler) -> Object:
        (query,) = parse_qs(urlsplit(request.path).query)["query"]
        count, errors, p99_s = self.figures["canary" if 'track="canary"' in query else "stable"]
        value = p99_s if query.startswith("histogram_quantile") else errors if "status=~" in query else count
        return {"status": "success", "data": {"result": [{"value": [0, str(value)]}] if value else []}}


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """Start it, with an empty cluster that is kubectl's own."""
    world = World(Server(Cluster()), folder)
    with ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("KUBECONFIG", str(folder / "kubeconfig"))
        environment.setenv("KUBECACHEDIR", str(folder / "discovery"))
        stack.enter_context(answering(world.server))
        world.site_at = stack.enter_context(served(world.site))
        world.prometheus = f"http://{stack.enter_context(served(world.answered_by_prometheus))}"
        (folder / "kubeconfig").write_text(world.server.kubeconfig)
        world.begin({})
        yield world


@contextmanager
def served(answer: Callable[[BaseHTTPRequestHandler], Object]) -> Iterator[str]:
    """Serve JSON; yield host:port."""

    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1

        def do_GET(self) -> None:
            body = json.dumps(answer(self)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"127.0.0.1:{server.server_address[1]}"
