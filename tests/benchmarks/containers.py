"""Step 4 against step 3's processes, with the same models: images per second, the start, memory under limits, weights.

It needs Docker, and builds the container images first. The worker gets InceptionV3 with random weights from a folder
instead of the model it carries; the answer cache is off.
"""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from docker import DockerClient

from step4_docker.container_images.build import Builder
from step4_docker.container_images.catalogue import NAMES, SERVED, Revision, local_name
from tests.app.step3.system import running as processes_running
from tests.app.step4.docker_host import bases, docker_host, have_bases
from tests.app.step4.stack import Stack, running
from tests.benchmarks.figures import Figure
from tests.benchmarks.microservices.artifacts import OFFLINE, RANDOM, artifacts
from tests.benchmarks.microservices.sides import JPEG, Server
from tests.benchmarks.photographs import SAMPLES, write_photographs

REVISION = Revision("benchmark", is_dirty=False)
CLIENTS, SECONDS, ROUNDS, PICTURES = 8, 5.0, 5, 40
# An official base weighs less than what stands for it here; the figure is that of its published layers, uncompressed.
OFFICIAL_BASE_MB = 125
WEIGHTS = {"gateway": 170, "recommender": 170, "worker": 420}

_MODELS = """
services:
  worker: {{volumes: ["{folder}:/models:ro"]}}
"""


def measure() -> Iterator[Figure]:
    """Yield how containers compare with processes."""
    with docker_host() as client, tempfile.TemporaryDirectory() as name:
        have_bases(client)
        builder = Builder(client, REVISION, {"MODEL": OFFLINE})
        for image in NAMES:
            builder.build(image)
        folder = Path(name)
        photographs = [path.read_bytes() for path in write_photographs(folder, PICTURES)]
        yield from _starts(client, folder / "start")
        yield from _throughput(client, folder, photographs)
        yield from _memory(client, folder / "memory", photographs)
        yield from _weights(client)


def _starts(client: DockerClient, folder: Path) -> Iterator[Figure]:
    """Time `up` to the first right answer, with what was built."""
    folder.mkdir()
    started = perf_counter()
    with running(client, REVISION.tag, folder, "frontend", "recommender", "events") as stack:
        assert stack.classify((SAMPLES / "cat.jpg").read_bytes()).ok
        seconds = perf_counter() - started
    yield Figure.at_most(30, "seconds from compose up to the first right answer", seconds, "with the offline model")


def _throughput(client: DockerClient, folder: Path, photographs: list[bytes]) -> Iterator[Figure]:
    for model, precision in ((RANDOM, "float32"), (RANDOM, "int8"), (OFFLINE, "auto")):
        with _step4(client, folder / f"{model}-{precision}", model, precision) as stack:
            containers = Server("step 4", f"http://{own_address()}:{stack.environment['PORT']}", JPEG)
            # With a Redis that writes everything down, and is reached by TCP, as containers have it.
            settings = {"ARTIFACTS": str(artifacts()), **_asked(model, precision)}
            with processes_running(folder, is_persistent=True, **settings) as system:
                processes = Server("step 3", system.address, JPEG)
                pairs = [
                    [side.load(photographs, CLIENTS, SECONDS).images_per_s for side in (processes, containers)]
                    for _ in range(ROUNDS + 1)
                ][1:]  # the first warms up
        before, after = (median(side) for side in zip(*pairs, strict=True))
        ratio = median(inside / outside for outside, inside in pairs)
        what = f"{model}, {precision}, {CLIENTS} clients: images/s in containers / in processes"
        yield Figure.at_least(0.95, what, ratio, f"{after:.1f} against {before:.1f}")


def _memory(client: DockerClient, folder: Path, photographs: list[bytes]) -> Iterator[Figure]:
    """Let InceptionV3 in int8 work under a hard limit of 200 MB, and a gateway under 128 MB."""
    limits = {"WORKER_MEMORY": "200M", "GATEWAY_MEMORY": "128M"}
    with _step4(client, folder, RANDOM, "int8", **limits) as stack:
        Server("step 4", stack.address, JPEG).load(photographs, 2 * CLIENTS, 4 * SECONDS)
        for service in ("worker", "gateway", "recommender"):
            (container,) = stack.containers(service)
            used = container.stats(stream=False)["memory_stats"]
            file_pages = used["stats"].get("total_inactive_file", used["stats"].get("inactive_file", 0))
            killed = container.attrs["State"]["OOMKilled"] or "out of memory" in container.logs().decode()
            limit = container.attrs["HostConfig"]["Memory"] / 2**20
            details = f"of {limit:.0f} MiB, {2 * CLIENTS} clients; {'KILLED' if killed else 'nobody was killed'}"
            used_mib = (used["usage"] - file_pages) / 2**20
            yield Figure.at_most(limit, f"{service}: MiB in use under load", used_mib + 1e6 * killed, details)


def _weights(client: DockerClient) -> Iterator[Figure]:
    sizes = {name: client.images.get(local_name(name, REVISION.tag)).attrs["Size"] / 1e6 for name in SERVED}
    here = {base: client.images.get(base).attrs["Size"] / 1e6 for base in bases()}
    python, nginx = (next(size for base, size in here.items() if part in base) for part in ("python:", "nginx"))
    for name, bound in WEIGHTS.items():
        added = sizes[name] - python
        details = f"{added:.0f} MB on a base of {OFFICIAL_BASE_MB} MB; here {sizes[name]:.0f} MB"
        yield Figure.at_most(bound, f"{name}: MB on the official base", OFFICIAL_BASE_MB + added, details)
    yield Figure.at_most(
        60, "frontend: MB over its base", sizes["frontend"] - nginx, f"here {sizes['frontend']:.0f} MB"
    )


def _asked(model: str, precision: str) -> dict[str, str]:
    return {"MODEL": model, "PRECISION": precision, "ANSWER_TTL_S": "0"}


def own_address() -> str:
    """Return this machine's address in its network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # nothing is sent
        return str(probe.getsockname()[0])


@contextmanager
def _step4(client: DockerClient, folder: Path, model: str, precision: str, **limits: str) -> Iterator[Stack]:
    folder.mkdir()
    # As clients on other machines come: by way of the kernel, and not of the program that Docker has for this one.
    settings = {"BIND": own_address(), "ARTIFACTS": "/models", **_asked(model, precision)}
    defaults = {"WORKER_MEMORY": "512M", "GATEWAY_MEMORY": "256M", "WORKER_CPUS": "2", "GATEWAY_CPUS": "2"}
    override = _MODELS.format(folder=artifacts())
    with running(client, REVISION.tag, folder, override=override, **(settings | defaults | limits)) as stack:
        yield stack
