"""Jobs, from being left to being fetched, through the whole system."""

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image

from step3_microservices.contract import INTERACTIVE
from tests.app.http_contract import CAT, COFFEE, assert_problem, cut_short, labels, parts, without_timings
from tests.app.serving import serving, wait_until
from tests.app.step3.system import GATEWAY, System, nobody_working

STATUSES = {"queued", "running", "done", "failed", "expired", "cancelled"}


def picture(shade: int) -> bytes:
    """Return a picture that nobody has asked about before."""
    file = io.BytesIO()
    Image.effect_noise((64, 64), 20 + shade).convert("RGB").save(file, "PNG")
    return file.getvalue()


def add(system: System, body: bytes, **arguments: object) -> requests.Response:
    return requests.post(f"{system.address}/v1/jobs", data=body, timeout=30, **arguments)


def ended(system: System, job_id: str, within_s: float = 60) -> dict:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        job = requests.get(f"{system.address}/v1/jobs/{job_id}", timeout=30).json()
        if job["status"] not in {"queued", "running"}:
            return job
        time.sleep(0.02)
    raise AssertionError(f"not ended within {within_s} s: {job}")


def test_a_picture_is_accepted_at_once_and_its_answer_is_that_of_the_other_door(system):
    response = add(system, CAT, params={"top_k": 3, "explain": "true"})

    job = ended(system, response.json()["job_id"])
    expected = requests.post(
        f"{system.address}/v1/classify", data=CAT, params={"top_k": 3, "explain": "true"}, timeout=30
    ).json()
    assert response.status_code == 202
    assert response.headers["Location"].endswith(f"/v1/jobs/{job['job_id']}")
    assert response.json()["status"] in STATUSES
    assert job["status"] == "done"
    assert without_timings(job["answer"]) == without_timings(expected)


def test_a_form_works_too_but_a_job_is_one_picture(system):
    one = requests.post(f"{system.address}/v1/jobs", files=parts(COFFEE), timeout=30)
    two = requests.post(f"{system.address}/v1/jobs", files=parts(CAT, COFFEE), timeout=30)

    assert labels(ended(system, one.json()["job_id"])["answer"])[0] == "espresso"
    assert (two.status_code, two.json()["code"]) == (400, "request_invalid")


def test_a_bad_picture_is_refused_at_the_door(system):
    response = add(system, cut_short())

    assert (response.status_code, response.json()["code"]) == (422, "image_truncated")


def test_a_job_nobody_knows_is_not_found(system):
    for ask in (requests.get, requests.delete):
        response = ask(f"{system.address}/v1/jobs/none", timeout=30)

        assert (response.status_code, response.json()["code"]) == (404, "job_not_found")
        assert_problem(response)


def test_the_same_key_and_picture_give_the_same_job_and_another_picture_is_refused(system):
    first, second, other = picture(1), picture(2), picture(3)
    key = {"Idempotency-Key": "my-key"}

    responses = [add(system, body, headers=key) for body in (first, first, second)]
    again_later = [ended(system, responses[0].json()["job_id"]), add(system, first, headers=key).json()]
    changed = add(system, first, headers=key, params={"top_k": 1})
    unrelated = [add(system, other).json()["job_id"] for _ in range(2)]

    assert responses[0].json()["job_id"] == responses[1].json()["job_id"] == again_later[1]["job_id"]
    assert again_later[0]["answer"] == again_later[1]["answer"]
    assert (responses[2].status_code, responses[2].json()["code"]) == (422, "idempotency_key_reused")
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")
    assert len({*unrelated}) == 2
    assert {ended(system, job_id)["status"] for job_id in unrelated} == {"done"}, "and take nobody's place in line"


def test_a_job_that_waits_is_cancelled_and_one_that_is_done_is_not(system):
    with nobody_working(system):
        waiting = add(system, picture(4)).json()
        cancelled = requests.delete(f"{system.address}/v1/jobs/{waiting['job_id']}", timeout=30)
        again = requests.delete(f"{system.address}/v1/jobs/{waiting['job_id']}", timeout=30)
    done = ended(system, add(system, CAT).json()["job_id"])
    late = requests.delete(f"{system.address}/v1/jobs/{done['job_id']}", timeout=30)

    assert waiting["status"] == "queued"
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert "answer" not in cancelled.json()
    assert again.json()["status"] == "cancelled"
    assert (late.status_code, late.json()["code"]) == (409, "job_started")
    time.sleep(0.3)  # the worker meets the task, and leaves it
    assert ended(system, waiting["job_id"])["status"] == "cancelled"


def test_whoever_listens_hears_of_places_in_the_queue_and_of_the_end(system):
    with nobody_working(system):
        jobs = [add(system, picture(10 + number)).json()["job_id"] for number in range(3)]
        stream = requests.get(f"{system.address}/v1/jobs/{jobs[2]}/events", stream=True, timeout=30)
        lines = stream.iter_lines(decode_unicode=True)
        first = next(line for line in lines if line.startswith("event:"))
        told = json.loads(next(lines).removeprefix("data: "))
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event:")]

    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert first == "event: queued"
    assert told["position"] == 3
    assert events[-1] == "done"
    assert [event for event in events if event != "queued"] in (["running", "done"], ["done"])


def test_more_streams_than_may_be_open_are_sent_to_the_other_door(system, tmp_path):
    # In a gateway of its own: of a stream that its reader has seen the end of, the place may be free a moment later.
    with serving(GATEWAY, tmp_path, REDIS_URL=system.redis.url) as gateway, nobody_working(system):
        job = add(system, picture(20)).json()["job_id"]
        streams = [requests.get(f"{gateway.address}/v1/jobs/{job}/events", stream=True, timeout=30) for _ in range(17)]
        codes = [stream.status_code for stream in streams]
        for stream in streams:
            stream.close()

    assert codes == [200] * 16 + [429]
    assert streams[-1].headers["Retry-After"] == "1"


def test_an_interactive_request_does_not_wait_behind_a_batch_of_jobs(system):
    with ThreadPoolExecutor(1) as client:
        with nobody_working(system):
            jobs = [add(system, picture(100 + number)).json()["job_id"] for number in range(60)]
            asked = client.submit(requests.post, f"{system.address}/v1/classify", data=picture(99), timeout=30)
            wait_until(lambda: system.redis.client.llen(INTERACTIVE) == 1)
        answer = asked.result()
    assert {ended(system, job)["status"] for job in jobs} == {"done"}

    assert answer.status_code == 200
    before = predicted_before(system, answer.headers["X-Trace-Id"], {*jobs})
    assert before < 40


def predicted_before(system: System, trace_id: str, jobs: set[str]) -> int:
    """Return how many of the jobs the worker's log has before that trace, once it has all of them."""

    def lines() -> list[dict]:
        found = map(json.loads, system.worker_log.read_text().splitlines())
        return [line for line in found if line.get("job_id") in jobs or line.get("trace_id") == trace_id]

    wait_until(lambda: len(lines()) == len(jobs) + 1)
    return next(place for place, line in enumerate(lines()) if line["trace_id"] == trace_id)


def test_a_job_that_cannot_begin_in_time_is_expired_and_says_so(system, tmp_path):
    with serving(GATEWAY, tmp_path, REDIS_URL=system.redis.url, JOB_TIMEOUT_S="0.2") as gateway:
        with nobody_working(system):
            job_id = requests.post(f"{gateway.address}/v1/jobs", data=picture(30), timeout=30).json()["job_id"]
            time.sleep(0.3)
        job = ended(system, job_id)

    assert job["status"] == "expired"
    assert job["problem"]["code"] == "deadline_exceeded"
    assert job["problem"]["remedy"]


@pytest.mark.parametrize("door", ["/v1/jobs", "/v1/classify"])
def test_an_answer_that_was_given_before_is_given_again_without_the_worker(system, door):
    body = picture(40)
    first = requests.post(f"{system.address}/v1/classify", data=body, timeout=30).json()

    with nobody_working(system):
        again = requests.post(f"{system.address}{door}", data=body, timeout=20).json()

    assert without_timings(again.get("answer", again)) == without_timings(first)
