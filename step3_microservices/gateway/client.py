"""Ask the service from a program: `Client("http://127.0.0.1:8000").classify(Path("cat.jpg"))`.

A prediction changes nothing, so asking twice does no harm: what failed on the way, or came at a bad moment, is asked
again, after as many seconds as the service wishes (`Retry-After`). Compared with step 2 a picture may be left as a job:
`client.wait(client.submit(Path("cat.jpg")))`; asked again it is the same job, for it goes with a key of its own.
"""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast
from uuid import uuid4

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, Retry

from shared.errors import ExpectedError
from shared.json_forms import AnswerJson, ResultJson

if TYPE_CHECKING:
    from step3_microservices.gateway.documentation import JobJson

Picture: TypeAlias = Path | bytes
"""A file, or the encoded bytes of one."""

WORTH_ANOTHER_TRY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_RAW = {"Content-Type": "application/octet-stream"}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0


class UnreachableError(ExpectedError):
    """Nobody answers at the address, or not in time."""

    code = "service_unreachable"


class UnfinishedError(ExpectedError):
    """The job has not ended in the time that the caller had for it; it goes on."""

    code = "job_unfinished"


class CancelledError(ExpectedError):
    """The job was cancelled, and so has no answer."""

    code = "job_cancelled"


class ProblemError(ExpectedError):
    """The service said no: `problem_code` is the stable code of its problem document, `trace_id` is in its log."""

    code = "service_problem"

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """Take over what a problem document says, or, from whoever else has answered, as much as there is."""
        detail = problem.get("detail", f"The answer has status {status}.")
        super().__init__(detail, problem.get("remedy", "Check the address."))
        self.status = status
        self.problem_code: str | None = problem.get("code")
        self.trace_id: str | None = problem.get("trace_id")


class Client:
    """One service. Connections are kept, so use one client for many pictures, and one for each thread."""

    def __init__(
        self,
        address: str,
        *,
        api_key: str | None = None,
        timeouts_s: tuple[float, float] = (5, 60),
        tries: int = 5,
        longest_wait_s: int = 30,
    ) -> None:
        """Prepare to ask.

        `timeouts_s` are for connecting and for the answer; `longest_wait_s` is how long a service's wish to be asked
        again later is worth waiting for.
        """
        self._address = address.rstrip("/")
        self._timeouts_s = timeouts_s
        self._session = requests.Session()
        self._session.auth = partial(_authorise, api_key)  # or requests would look for a password in ~/.netrc
        retry = _PatientRetry(
            total=tries - 1,
            backoff_factor=0.5,  # seconds, doubled with each try; where the service names no time
            status_forcelist=WORTH_ANOTHER_TRY,
            allowed_methods=None,  # any method
            raise_on_status=False,
            retry_after_max=longest_wait_s,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def classify(self, picture: Picture, *, top_k: int = 5, explain: bool = False) -> AnswerJson:
        """Return the answer to one picture. Raises ProblemError or UnreachableError."""
        reply = self._post("v1/classify", top_k, explain, data=_read(picture), headers=_RAW)
        return cast("AnswerJson", reply)

    def classify_several(
        self, pictures: Sequence[Picture], *, top_k: int = 5, explain: bool = False
    ) -> list[ResultJson]:
        """Return what became of each picture, by its name: an answer, or a problem that harms none of the others.

        Raises ProblemError where the whole request is refused, or a single picture is; and UnreachableError.
        """
        names = [picture.name if isinstance(picture, Path) else f"{n}" for n, picture in enumerate(pictures)]
        files = [("image", (name, _read(picture))) for name, picture in zip(names, pictures, strict=True)]
        reply = self._post("v1/classify", top_k, explain, files=files)
        if "results" in reply:
            return cast("list[ResultJson]", reply["results"])
        return [{"name": names[0], "answer": cast("AnswerJson", reply)}]

    def submit(
        self, picture: Picture, *, top_k: int = 5, explain: bool = False, idempotency_key: str | None = None
    ) -> str:
        """Leave a picture as a job, and return the job's id. Raises ProblemError or UnreachableError.

        A key of one's own, kept where it survives this program, makes the same request the same job after a restart.
        """
        headers = {**_RAW, "Idempotency-Key": idempotency_key or str(uuid4())}
        reply = self._post("v1/jobs", top_k, explain, data=_read(picture), headers=headers)
        return str(reply["job_id"])

    def job(self, job_id: str) -> "JobJson":
        """Return a job, with its answer or problem once it has ended. Raises ProblemError or UnreachableError."""
        return cast("JobJson", self._ask("GET", f"v1/jobs/{job_id}"))

    def cancel(self, job_id: str) -> "JobJson":
        """Cancel a job that has not begun. Raises ProblemError, for one that has with the code `job_started`."""
        return cast("JobJson", self._ask("DELETE", f"v1/jobs/{job_id}"))

    def wait(self, job_id: str, *, timeout_s: float = 3600) -> AnswerJson:
        """Wait for a job to end, and return its answer. It is asked about often at first, and then once a second.

        Raises ProblemError where it failed or expired, CancelledError, UnfinishedError, and UnreachableError.
        """
        deadline = monotonic() + timeout_s
        pause_s = _FIRST_PAUSE_S
        while (job := self.job(job_id))["status"] in {"queued", "running"}:
            left_s = deadline - monotonic()
            if left_s <= 0:
                detail = f"The job has not ended within {timeout_s:g} s; it is {job['status']}."
                raise UnfinishedError(detail, "Wait for it again, or cancel it.")
            sleep(min(pause_s, left_s))
            pause_s = min(_LONGEST_PAUSE_S, 1.5 * pause_s)
        if "answer" in job:
            return job["answer"]
        if "problem" in job:
            raise ProblemError(job["problem"]["status"], dict(job["problem"]))
        raise CancelledError("The job was cancelled.", "Submit the picture again, if it is wanted after all.")

    def _post(self, path: str, top_k: int, explain: bool, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - as requests has it
        return self._ask("POST", path, params={"top_k": top_k, "explain": str(explain).lower()}, **body)

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as requests has it
        try:
            response = self._session.request(method, f"{self._address}/{path}", timeout=self._timeouts_s, **options)
        except requests.RequestException as error:
            detail = f"{self._address} does not answer: {error}."
            raise UnreachableError(detail, "Check the address, and that the service runs.") from error
        reply = _json(response)
        if not response.ok:
            raise ProblemError(response.status_code, reply)
        return reply


class _PatientRetry(Retry):
    """Waits as long as it is told to, or gives up: urllib3 by itself would cut a long wait short, and ask too early."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        *others: Any,  # noqa: ANN401 - as urllib3 has it
        **named: Any,  # noqa: ANN401
    ) -> Self:
        """Return what is left of the tries after this one, none where the wait would be too long."""
        too_long = response is not None and (self.get_retry_after(response) or 0) >= self.retry_after_max
        left = self.new(total=0) if too_long else self
        return super(_PatientRetry, left).increment(method, url, response, *others, **named)


def _authorise(api_key: str | None, request: requests.PreparedRequest) -> requests.PreparedRequest:
    if api_key:
        request.headers["Authorization"] = f"Bearer {api_key}"
    return request


def _read(picture: Picture) -> bytes:
    return picture.read_bytes() if isinstance(picture, Path) else picture


def _json(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object that a response holds, or an empty one where something else has answered."""
    try:
        reply = response.json()
    except requests.JSONDecodeError:
        return {}
    return reply if isinstance(reply, dict) else {}
