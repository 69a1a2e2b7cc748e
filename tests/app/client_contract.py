"""What the client for programs of every step does: against the real service, and against one in a mood.

A step runs it on its own: `class TestClient(ClientContract)` with its client's module as `package`, beside a fixture
`service` with the `address` of a running, ready service with the offline model.
"""

import itertools
import socket
import time
from types import ModuleType
from typing import ClassVar

import pytest

from tests.app.http_contract import CAT, CATS, COFFEE, TRACE_ID, labels
from tests.app.moody import ANSWER, problem
from tests.app.serving import free_port
from tests.conftest import SAMPLES


class ClientContract:
    """The suite."""

    package: ClassVar[ModuleType]

    @pytest.fixture
    def client(self, service):
        with self.package.Client(service.address) as client:
            yield client

    # --- the real service --------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("picture", [SAMPLES / "cat.jpg", CAT], ids=["file", "bytes"])
    def test_a_picture_is_answered(self, client, picture):
        answer = client.classify(picture, top_k=2)

        assert labels(answer)[0] in CATS
        assert len(answer["predictions"]) == 2
        assert "explanation" not in answer

    def test_an_explanation_comes_where_it_is_asked_for(self, client):
        assert client.classify(CAT, explain=True)["explanation"]["class_index"] == 285

    def test_several_pictures_are_answered_by_their_names_and_a_bad_one_harms_no_other(self, client):
        results = client.classify_several([SAMPLES / "coffee.jpg", b"no picture", CAT])

        assert [result["name"] for result in results] == ["coffee.jpg", "1", "2"]
        assert labels(results[0]["answer"])[0] == "espresso"
        assert results[1]["problem"]["code"] == "not_an_image"
        assert labels(results[2]["answer"])[0] in CATS

    def test_several_pictures_may_be_one(self, client):
        (result,) = client.classify_several([COFFEE])

        assert labels(result["answer"])[0] == "espresso"

    def test_what_the_service_refuses_is_raised_with_its_code_and_remedy(self, client):
        with pytest.raises(self.package.ProblemError) as caught:
            client.classify(b"no picture")

        assert (caught.value.status, caught.value.problem_code) == (415, "not_an_image")
        assert caught.value.remedy.startswith("Send a JPEG")
        assert len(caught.value.trace_id) == 32

    # --- a service in a mood -----------------------------------------------------------------------------------------

    def test_a_key_goes_with_every_request(self, moody):
        server = moody(ANSWER)

        with self.package.Client(server.address + "/", api_key="sesame") as client:
            client.classify(CAT)

        ((_, path, headers, body),) = server.asked
        assert headers["Authorization"] == "Bearer sesame"
        assert path == "/v1/classify?top_k=5&explain=false"
        assert body == CAT

    def test_a_password_for_the_same_machine_is_not_sent(self, moody, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password secret")
        monkeypatch.setenv("NETRC", str(netrc))
        server = moody(ANSWER)

        with (
            self.package.Client(server.address, api_key="sesame") as client,
            self.package.Client(server.address) as nameless,
        ):
            client.classify(CAT)
            nameless.classify(CAT)

        headers = [headers.get("Authorization") for _, _, headers, _ in server.asked]
        assert headers == ["Bearer sesame", None]

    @pytest.mark.parametrize("status", [429, 503])
    def test_who_is_told_to_come_again_does_so_no_sooner_than_told(self, moody, status):
        server = moody(problem(status, Retry_After="1"), problem(status, Retry_After="1"), ANSWER)

        with self.package.Client(server.address) as client:
            answer = client.classify(CAT)

        times = [time for time, *_ in server.asked]
        assert answer == {"predictions": []}
        assert [body for *_, body in server.asked] == [CAT] * 3
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.99

    @pytest.mark.parametrize("reply", [None, problem(502), problem(504)], ids=["broken", "502", "504"])
    def test_what_broke_on_the_way_is_asked_again(self, moody, reply):
        server = moody(reply, ANSWER)

        with self.package.Client(server.address) as client:
            assert client.classify(CAT) == {"predictions": []}

        assert len(server.asked) == 2

    def test_a_wait_that_is_too_long_is_not_begun(self, moody):
        server = moody(problem(429, Retry_After="3600"))

        started = time.monotonic()
        with (
            self.package.Client(server.address) as client,
            pytest.raises(self.package.ProblemError, match=r"It is late\. Come again\."),
        ):
            client.classify(CAT)

        assert len(server.asked) == 1
        assert time.monotonic() - started < 20, "it waits 30 s at most"

    def test_tries_come_to_an_end(self, moody):
        server = moody(problem(503, Retry_After="0"))

        with self.package.Client(server.address, tries=3) as client, pytest.raises(self.package.ProblemError) as caught:
            client.classify(CAT)

        assert len(server.asked) == 3
        assert (caught.value.status, caught.value.problem_code, caught.value.trace_id) == (503, "not_ready", TRACE_ID)

    @pytest.mark.parametrize("status", [400, 401, 413, 415, 422, 500])
    def test_what_would_fail_again_is_not_asked_again(self, moody, status):
        server = moody(problem(status))

        with self.package.Client(server.address) as client, pytest.raises(self.package.ProblemError):
            client.classify(CAT)

        assert len(server.asked) == 1

    def test_an_answer_that_is_no_json_is_told_by_its_status(self, moody):
        server = moody((404, {}, b"<html>nothing here"))

        with (
            self.package.Client(server.address) as client,
            pytest.raises(self.package.ProblemError, match="status 404") as caught,
        ):
            client.classify(CAT)

        assert caught.value.problem_code is None

    def test_where_nobody_answers_the_address_is_named(self):
        address = f"http://127.0.0.1:{free_port()}"

        with (
            self.package.Client(address, tries=2) as client,
            pytest.raises(self.package.UnreachableError, match=address),
        ):
            client.classify(CAT)

    def test_a_service_that_says_nothing_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with (
                self.package.Client(address, timeouts_s=(1, 0.2), tries=1) as client,
                pytest.raises(self.package.UnreachableError, match="timed out"),
            ):
                client.classify(CAT)
