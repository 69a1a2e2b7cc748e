"""All of step 4, running: what it answers, what it may do, and who can reach it."""

import json
import re
from typing import Any

import pytest
import requests
from docker import DockerClient

from step3_microservices.gateway.access import SECURITY_HEADERS
from tests.app.serving import wait_until
from tests.app.step4.compose_file import SERVICES
from tests.app.step4.stack import Stack, problem
from tests.conftest import SAMPLES

CAT = (SAMPLES / "cat.jpg").read_bytes()
ALWAYS = [name for name, service in SERVICES.items() if "profiles" not in service]
WITH_PYTHON = [name for name in ALWAYS if name not in {"frontend", "redis"}]
STATUS = "print(open('/proc/1/status').read())"
INSIDE = {"gateway": 8000, "recommender": 8010, "worker": 9100, "events": 9100, "redis": 6379}
SCAN = """
import json, socket, sys
def reached(host, port):
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True
print(json.dumps([address for address in json.loads(sys.argv[1]) if reached(*address)]))
"""


def without_timings(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "timings_ms"}


def test_it_answers_through_the_front_end(stack: Stack):
    response = stack.classify(CAT)

    assert response.status_code == 200
    assert response.json()["predictions"][0]["label"] in {"Egyptian cat", "tabby", "tiger cat"}
    assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_the_page_and_its_files_come_with_the_headers_that_browsers_heed(stack: Stack):
    page = requests.get(stack.address, timeout=10)
    files = re.findall(r'(?:src|href)="(/(?:static|samples)/[^"]+)"', page.text)

    found = {path: requests.get(stack.address + path, timeout=10) for path in files}

    assert "/static/page.js" in files
    assert {path: answer.status_code for path, answer in found.items()} == dict.fromkeys(files, 200)
    for answer in found.values():
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert answer.headers["ETag"]
        assert "Cache-Control" in answer.headers
    script = found["/static/page.js"]
    assert script.headers["Content-Encoding"] == "gzip"
    again = requests.get(script.url, headers={"If-None-Match": script.headers["ETag"]}, timeout=10)
    assert again.status_code == 304


def test_figures_are_for_those_inside(stack: Stack):
    assert problem(requests.get(f"{stack.address}/metrics", timeout=10))["code"] == "not_found"
    figures = stack.python(
        "gateway", "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/metrics').read())"
    )
    assert "http_requests_total" in figures


def test_a_request_that_is_too_large_is_refused_at_the_door(stack: Stack):
    response = stack.classify(bytes(65 * 2**20))

    assert problem(response)["code"] == "image_too_large"
    assert response.status_code == 413


def test_a_job_is_followed_through_the_front_end_while_it_runs(stack: Stack):
    accepted = requests.post(f"{stack.address}/v1/jobs", data=CAT, timeout=10)

    with requests.get(f"{stack.address}{accepted.headers['Location']}/events", stream=True, timeout=30) as events:
        told = [line for line in events.iter_lines(decode_unicode=True) if line.startswith("event:")]

    assert accepted.status_code == 202
    assert told[-1] == "event: done"


def test_the_gateway_takes_nobody_for_whom_he_says_he_is(stack: Stack):
    response = requests.get(f"{stack.address}/livez", headers={"X-Forwarded-For": "203.0.113.7"}, timeout=10)
    trace_id = response.headers["X-Trace-Id"]

    wait_until(lambda: trace_id in log_of_gateway(stack))  # Docker takes a moment to bring a line there
    (line,) = [json.loads(line) for line in log_of_gateway(stack).splitlines() if trace_id in line]
    front_end = stack.containers("frontend")[0].attrs["NetworkSettings"]["Networks"].values()
    # A client on this machine comes through the network's own address.
    assert {line["client"]} == {network["Gateway"] for network in front_end}


def log_of_gateway(stack: Stack) -> str:
    return stack.containers("gateway")[0].logs(tail=100).decode()


@pytest.mark.parametrize("name", ALWAYS)
def test_a_container_runs_under_its_limits(stack: Stack, name: str):
    (container,) = stack.containers(name)
    host = container.attrs["HostConfig"]

    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert 0 < host["Memory"] <= 256 * 2**20
    assert host["PidsLimit"] > 0
    assert host["NanoCpus"] > 0


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_a_process_inside_has_no_rights_and_nowhere_to_write(stack: Stack, name: str):
    status = dict(line.split(":\t", 1) for line in stack.python(name, STATUS).splitlines() if ":\t" in line)

    assert status["Uid"].split() == ["10001"] * 4
    assert status["CapEff"] == "0000000000000000"
    assert status["NoNewPrivs"] == "1"
    code, output = stack.containers(name)[0].exec_run(["python", "-c", "open('/var/tmp/anything', 'w')"])
    assert code != 0
    assert b"Read-only file system" in output


def test_nobody_outside_reaches_anything_but_the_front_end(
    stack: Stack, docker_client: DockerClient, container_images: dict[str, str]
):
    # An outsider: a container in a network of its own, which has this machine as its way out.
    addresses = {
        name: next(iter(stack.containers(name)[0].attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
        for name in INSIDE
    }
    asked = [[addresses[name], port] for name, port in INSIDE.items()]

    output = docker_client.containers.run(
        container_images["gateway"], entrypoint=["python", "-c", SCAN, json.dumps(asked)], command=[], remove=True
    )

    published = {
        name: [port for ports in stack.containers(name)[0].ports.values() for port in ports or []] for name in ALWAYS
    }
    assert json.loads(output) == []
    assert {name for name, ports in published.items() if ports} == {"frontend"}
    assert {port["HostIp"] for port in published["frontend"]} == {"127.0.0.1"}


def test_services_that_have_nothing_to_say_to_the_world_are_in_a_network_without_a_way_out(stack: Stack):
    networks = {
        network.attrs["Labels"]["com.docker.compose.network"]: network.attrs["Internal"]
        for network in stack.client.networks.list(filters={"label": f"com.docker.compose.project={stack.project}"})
    }

    within = {name: {network.removeprefix(f"{stack.project}_") for network in attached(stack, name)} for name in ALWAYS}

    assert networks == {"front": False, "back": True}
    assert {name for name, attached_to in within.items() if "front" in attached_to} == {"frontend", "gateway"}
    assert {name for name, attached_to in within.items() if "back" in attached_to} == {*INSIDE}


def attached(stack: Stack, name: str) -> list[str]:
    return [*stack.containers(name)[0].attrs["NetworkSettings"]["Networks"]]


def test_a_recommendation_is_made_by_the_trainer_and_answered_through_everything(stack: Stack):
    before = recommended(stack)

    stack.compose("run", "--rm", "trainer")

    assert before.status_code == 503
    wait_until(lambda: recommended(stack).ok, within_s=120)
    items = recommended(stack).json()["items"]
    assert items
    assert {item["reason"] for item in items} <= {"country_top", "global_top"}


def recommended(stack: Stack) -> requests.Response:
    return requests.get(f"{stack.address}/v1/recommendations", params={"country": "DE"}, timeout=10)
