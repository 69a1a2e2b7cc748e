"""A person says that an answer is wrong: what is kept of it, once, and how it becomes a labelled set."""

import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from shared.classifier.images import decode
from shared.classifier.preprocess import EFFICIENTNET_LITE0, preprocess
from step3_microservices.gateway.export_feedback import export, folder_name, main
from step3_microservices.gateway.feedback_forms import FeedbackRecord, Predicted
from step3_microservices.gateway.feedback_store import FeedbackStore
from tests.app.http_contract import CAT, CATS, COFFEE, assert_problem, cut_short, parts
from tests.app.serving import free_port, serving
from tests.app.step3.system import GATEWAY, System, running
from tests.conftest import ROOT

DIGEST = re.compile("[0-9a-f]{64}")
NOBODY_KNOWS = "0" * 64


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("database") / "made when needed" / "feedback.sqlite"


@pytest.fixture(scope="module")
def system(database, tmp_path_factory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("feedback")
    with running(folder, RUNTIME="tensorflow", ANALYTICS_DATABASE=f"sqlite:///{database}") as system:
        assert not database.parent.exists(), "nothing is kept before anybody says something"
        yield system


@pytest.fixture
def store(system, database) -> Iterator[FeedbackStore]:
    store = FeedbackStore(f"sqlite:///{database}")
    yield store
    store.close()


def classify(system: System, body: bytes = CAT, **arguments: object) -> requests.Response:
    return requests.post(f"{system.address}/v1/classify", data=body, timeout=30, **arguments)


def say(system: System, **said: object) -> requests.Response:
    return requests.post(f"{system.address}/v1/feedback", json=said, timeout=30)


def done_job(system: System, body: bytes) -> dict:
    job = requests.post(f"{system.address}/v1/jobs", data=body, timeout=30).json()
    while job["status"] in {"queued", "running"}:
        time.sleep(0.02)
        job = requests.get(f"{system.address}/v1/jobs/{job['job_id']}", timeout=30).json()
    assert job["status"] == "done"
    return job


# --- every answer names its picture ----------------------------------------------------------------------------------


def test_every_answer_names_its_picture_the_same_picture_always_alike(system):
    first, again, other = classify(system), classify(system), classify(system, COFFEE)
    explained = classify(system, params={"explain": "true"})

    digest = first.headers["X-Picture-Digest"]

    assert DIGEST.fullmatch(digest)
    assert again.headers["X-Picture-Digest"] == explained.headers["X-Picture-Digest"] == digest
    assert DIGEST.fullmatch(other.headers["X-Picture-Digest"])
    assert other.headers["X-Picture-Digest"] != digest
    assert done_job(system, CAT)["picture"] == digest


def test_of_several_pictures_each_is_named_in_its_place(system):
    cat, coffee = (classify(system, body).headers["X-Picture-Digest"] for body in (CAT, COFFEE))

    response = classify(system, files=parts(CAT, cut_short(), COFFEE), body=None)

    assert response.headers["X-Picture-Digest"].split(", ") == [cat, "-", coffee]


def test_what_has_no_answer_has_no_name(system):
    assert "X-Picture-Digest" not in classify(system, cut_short()).headers


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_feedback_is_kept_with_what_was_predicted_and_the_picture_as_the_model_saw_it(system, store):
    answered = classify(system)

    response = say(
        system, picture=answered.headers["X-Picture-Digest"], label="tabby", comment='Its name is "Žofka" 🐈, \n2 years'
    )

    assert response.status_code == 201
    said = response.json()
    best = answered.json()["predictions"][0]
    assert best["label"] in CATS
    assert said["predicted"] == {
        "label": best["label"],
        "probability": best["probability"],
        "model_version": answered.json()["model_version"],
    }
    assert (said["label"], said["class_index"], said["has_picture"]) == ("tabby", 281, True)
    assert said["picture"] == answered.headers["X-Picture-Digest"]
    assert timedelta() < datetime.now(UTC) - datetime.fromisoformat(said["time"]) < timedelta(seconds=60)
    kept = store.find(said["feedback_id"])
    assert kept.to_json() | {"time": ""} == said | {"time": ""}
    assert kept.comment == 'Its name is "Žofka" 🐈, \n2 years'
    seen = preprocess(decode(CAT, at_least=EFFICIENTNET_LITE0.at_least).rgb, EFFICIENTNET_LITE0)[0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(kept.image_png))), seen)


def test_feedback_on_a_job_is_kept_with_the_jobs_answer(system, store):
    job = done_job(system, COFFEE)

    said = say(system, job_id=job["job_id"], label="coffee mug").json()

    best = job["answer"]["predictions"][0]
    assert said["picture"] == job["picture"]
    assert said["predicted"]["label"] == best["label"] == "espresso"
    assert said["predicted"]["probability"] == best["probability"]


def test_feedback_on_a_picture_that_is_forgotten_is_kept_without_it(system):
    said = say(system, picture=NOBODY_KNOWS, label="tabby")

    assert said.status_code == 201
    assert said.json()["has_picture"] is False
    assert "predicted" not in said.json()


def test_the_same_feedback_sent_again_is_kept_once(system, store):
    before = store.count()

    with ThreadPoolExecutor(8) as clients:
        responses = list(
            clients.map(
                lambda _: say(system, picture=NOBODY_KNOWS, label="tabby", feedback_id="mine:1", comment="x"), range(8)
            )
        )
    later = say(system, picture=NOBODY_KNOWS, label="no such label any more", feedback_id="mine:1")

    assert sorted(response.status_code for response in responses) == [200] * 7 + [201]
    assert {json.dumps(response.json()) for response in [*responses, later]} == {json.dumps(later.json())}
    assert (later.status_code, later.json()["label"]) == (200, "tabby")
    assert store.count() == before + 1


def assert_refused(response: requests.Response, status: int, code: str) -> None:
    assert_problem(response)
    assert (response.status_code, response.json()["code"]) == (status, code)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (422, "label_unknown", {"picture": NOBODY_KNOWS, "label": "a cat"}),
        (404, "job_not_found", {"job_id": "0" * 32, "label": "tabby"}),
        (400, "request_invalid", {"label": "tabby"}),
        (400, "request_invalid", {"label": "tabby", "picture": NOBODY_KNOWS, "job_id": "0" * 32}),
        (400, "request_invalid", {"label": "tabby", "picture": "../../etc/passwd"}),
        (400, "request_invalid", {"label": "tabby", "picture": NOBODY_KNOWS, "feedback_id": "a b"}),
        (400, "request_invalid", {"label": "tabby", "picture": NOBODY_KNOWS, "comment": "\0"}),
        (400, "request_invalid", {"label": "tabby", "picture": NOBODY_KNOWS, "comment": "\ud800"}),
        (400, "request_invalid", {"label": "tabby", "picture": NOBODY_KNOWS, "comment": "x" * 2001}),
        (400, "request_invalid", {"label": "tabby", "picture": NOBODY_KNOWS, "unknown": 1}),
        (400, "request_invalid", {"picture": NOBODY_KNOWS}),
    ],
)
def test_what_makes_no_sense_is_refused(system, store, status, code, said):
    before = store.count()

    refused = say(system, **said)

    assert_refused(refused, status, code)

    assert store.count() == before


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b'"text"', b"[" * 20_000, b'{"label": "' + b"x" * 40_000 + b'"}', b"\xff\xfe"]
)
def test_a_body_that_is_no_feedback_is_refused(system, body):
    response = requests.post(
        f"{system.address}/v1/feedback", data=body, headers={"Content-Type": "application/json"}, timeout=30
    )

    assert_refused(response, 400, "request_invalid")


def test_a_database_that_is_not_there_is_a_503_and_everything_else_works(system, tmp_path):
    nowhere = f"postgresql://user:secret@127.0.0.1:{free_port()}/feedback"

    with serving(GATEWAY, tmp_path, REDIS_URL=system.redis.url, ANALYTICS_DATABASE=nowhere) as gateway:
        response = requests.post(
            f"{gateway.address}/v1/feedback", json={"picture": NOBODY_KNOWS, "label": "tabby"}, timeout=30
        )
        answered = requests.post(f"{gateway.address}/v1/classify", data=CAT, timeout=30)

    assert_refused(response, 503, "not_ready")
    assert int(response.headers["Retry-After"]) > 0
    assert answered.ok
    log = gateway.output.read_text()
    assert "the analytics database cannot be used" in log
    assert "Traceback" not in log
    assert "secret" not in log


def test_schemathesis_finds_the_door_as_its_document_says(system, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(
        '[[operations]]\ninclude-name = "POST /v1/feedback"\n'
        'checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]\n'  # labels are the model's
    )
    options = ("--include-path", "/v1/feedback", "--seed", "2", "--generation-deterministic", "--max-examples", "100")

    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{system.address}/openapi.json", "--no-color", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert run.returncode == 0, run.stdout
    assert "1 selected" in run.stdout


def test_a_gateway_without_feedback_does_without_a_database():
    program = "import sys, step3_microservices.gateway.app; print(*sorted({'sqlalchemy', 'alembic'} & {*sys.modules}))"

    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert run.stdout.split() == []


# --- the labelled set ------------------------------------------------------------------------------------------------


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(file, "PNG")
    return file.getvalue()


def record(number: int, label: str, **fields: object) -> FeedbackRecord:
    time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return FeedbackRecord(**{
        "feedback_id": f"id-{number}",
        "picture": f"{number:064x}",
        "label": label,
        "class_index": number,
        "comment": "",
        "time": time,
    } | fields)  # fmt: skip


@pytest.fixture
def filled(tmp_path) -> FeedbackStore:
    store = FeedbackStore(f"sqlite:///{tmp_path}/feedback.sqlite")
    guess = Predicted("tiger cat", 0.25, "model/1")
    for one in (
        record(1, "tabby", image_png=png("red"), predicted=guess, comment="=HYPERLINK(1)"),
        record(2, "../../..", image_png=png("lime")),
        record(3, "tabby", class_index=1, picture=f"{1:064x}", image_png=png("red"), comment='two\nlines, "quoted"'),
        record(4, "crème brûlée"),
    ):
        store.add(one)
    return store


def test_an_export_is_a_table_and_a_folder_of_pictures_for_each_label(filled, tmp_path):
    folder = tmp_path / "set"

    counts = export(filled, folder)

    assert counts == (4, 2), "a picture that was given the same label twice is there once"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["feedback_id"] for row in rows] == ["id-1", "id-2", "id-3", "id-4"]
    assert rows[0] == {
        "feedback_id": "id-1",
        "picture": f"{1:064x}",
        "label": "tabby",
        "class_index": "1",
        "predicted_label": "tiger cat",
        "probability": "0.25",
        "model_version": "model/1",
        "comment": "'=HYPERLINK(1)",
        "time": "2026-01-01T00:00:01.000+00:00",
        "file": f"0001-tabby/{1:064x}.png",
    }
    assert rows[2]["comment"] == 'two\nlines, "quoted"'
    assert rows[3]["file"] == ""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {*files} == {"labels.csv", f"0001-tabby/{1:064x}.png", f"0002-label/{2:064x}.png"}
    assert files[rows[0]["file"]].read_bytes() == png("red")


def test_labels_become_folders_on_any_file_system():
    names = [folder_name(label, 7) for label in ("CON", "a/b", "..", "x" * 300, "Ägypten: Katze?", "日本")]

    assert all(re.fullmatch(r"0007-[a-z0-9-]{1,60}", name) for name in names)


def test_an_export_overwrites_nothing(filled, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "labels.csv").write_text("mine")
    monkeypatch.setenv("ANALYTICS_DATABASE", f"sqlite:///{tmp_path}/feedback.sqlite")

    codes = [main([str(folder)]), main([str(tmp_path / "new")]), main([str(tmp_path / "new")])]

    assert codes == [2, 0, 2]
    assert (folder / "labels.csv").read_text() == "mine"
    assert "4 rows and 2 pictures" in capsys.readouterr().err


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_postgresql_keeps_the_same(postgresql):
    store = FeedbackStore(postgresql.new_database())
    guess = Predicted("tiger cat", 0.25, "model/1")
    given = record(1, "tabby", image_png=png("red"), predicted=guess, comment="Žofka 🐈")

    said = [store.add(given), store.add(given)]
    kept = list(store.records())
    store.close()

    assert said == [(given, True), (given, False)]
    assert kept == [given]
