"""The pictures that come with a request: read within limits and in time, kept in memory, never written to disk."""

import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wsgi import get_content_length

from step3_microservices.gateway.config import Config
from step3_microservices.gateway.problems import ImageMissingError, MediaTypeError, RequestError

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

# curl --data-binary announces every file as the last of these.
RAW_TYPES = ("application/octet-stream", "application/x-www-form-urlencoded")
_SEND_IMAGE = "Send the picture as the request's body, or as a form's field `image`."


@dataclass(frozen=True)
class Upload:
    """One picture as it came; `name` is what the sender called it."""

    name: str
    image_bytes: bytes


class _MultipartParser(FormDataParser):
    """Reads multipart forms, and says what is wrong with one; the other kind of form takes many times its size."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - werkzeug's own signature
        super().__init__(*args, **kwargs | {"silent": False})

    def parse(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        try:
            return super().parse(*args, **kwargs)
        except ValueError as error:
            raise RequestError(f"The form cannot be read: {error}.", "Send it as multipart/form-data asks.") from error

    def _parse_urlencoded(self, *_: object) -> Any:  # noqa: ANN401
        raise MediaTypeError("A form of this type cannot hold pictures.", "Send multipart/form-data.")


class UploadRequest(Request):
    """A request whose body is read whole or not at all, and whose files stay in memory.

    werkzeug's own would put files above 500 kB into temporary ones, and take a connection that broke off for the end.
    """

    form_data_parser_class = _MultipartParser

    def __init__(self, environ: "WSGIEnvironment", *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - werkzeug's own
        """Put our reader before the server's."""
        environ["wsgi.input"] = _WholeBody(environ["wsgi.input"], get_content_length(environ))
        super().__init__(environ, *args, **kwargs)

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:  # noqa: ANN401 - werkzeug's own signature
        return io.BytesIO()


class _WholeBody:
    """Reads a body, and raises where it ends before its announced length or breaks the rules of HTTP."""

    def __init__(self, stream: IO[bytes], length: int | None) -> None:
        self._stream = stream
        self._missing = length or 0

    def read(self, size: int = -1) -> bytes:
        try:
            piece = self._stream.read(size)
        except OSError as error:
            raise ClientDisconnected from error
        except Exception as error:  # each server has its own
            raise RequestError(f"The request's body cannot be read: {error}.", "Send it as HTTP asks.") from error
        self._missing -= len(piece)
        if not piece and size and self._missing > 0:
            raise ClientDisconnected
        return piece


def read_uploads(request: Request, config: Config) -> list[Upload]:
    """Return the pictures of a request: its body, or each part of its form that is called `image`.

    Raises ImageMissingError, MediaTypeError or RequestError, and werkzeug's RequestEntityTooLarge as soon as a body
    turns out larger than allowed, or its ClientDisconnected where one ends early.
    """
    uploads = _parts(request) if request.mimetype == "multipart/form-data" else _body(request, config)
    if not uploads:
        raise ImageMissingError("There is no picture in this request.", _SEND_IMAGE)
    if len(uploads) > config.max_images:
        detail = f"The request has {len(uploads)} pictures; the limit is {config.max_images}."
        raise RequestError(detail, "Send them in several requests.")
    return uploads


def _parts(request: Request) -> list[Upload]:
    parts = request.files.getlist("image")
    uploads = [Upload(part.filename or "", part.stream.getvalue()) for part in parts]  # type: ignore[attr-defined]
    return [upload for upload in uploads if upload.name or upload.image_bytes]  # a browser sends an empty choice


def _body(request: Request, config: Config) -> list[Upload]:
    if not request.mimetype.startswith("image/") and request.mimetype not in {"", *RAW_TYPES}:
        raise MediaTypeError(f"{request.mimetype} is no type for a picture.", _SEND_IMAGE)
    request.max_content_length = config.max_image_bytes + 1  # a body of unknown length is cut there without a word
    image_bytes = request.get_data(cache=False)
    if len(image_bytes) > config.max_image_bytes:
        raise RequestEntityTooLarge
    return [Upload("", image_bytes)] if image_bytes else []
